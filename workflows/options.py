"""Every timeout and retry policy of a workflow, by name."""

from dataclasses import replace
from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from gateway.apps.jobs import MOST_TRIES
from workflows.queues import TaskQueue

_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)
"""For our own failures: a database that is away, a worker that is gone."""

QUICK_WRITE = ActivityConfig(start_to_close_timeout=timedelta(seconds=30), retry_policy=_UNTIL_IT_WORKS)
"""One short transaction, or a few."""

RELAY_SHIFT = timedelta(minutes=5)
"""How long one relay activity works before it hands over: bounds what a lost one can hide."""

OUTBOX_SHIFT = ActivityConfig(
    start_to_close_timeout=RELAY_SHIFT + timedelta(minutes=2),
    # A relay beats at least once a second; one that is silent for ten is dead, and another worker takes over.
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_UNTIL_IT_WORKS,
)

DISPATCH_SHIFT = ActivityConfig(
    task_queue=TaskQueue.DISPATCH,
    start_to_close_timeout=RELAY_SHIFT + timedelta(minutes=2),
    # It beats every five seconds; one that is silent for three beats is dead, and another worker takes over.
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=_UNTIL_IT_WORKS,
)

WEBHOOK_ATTEMPT = ActivityConfig(
    # A receiver has less than a minute (`HASP_WEBHOOK_TIMEOUT_S`); what it answers is no failure of the activity.
    start_to_close_timeout=timedelta(seconds=90),
    retry_policy=_UNTIL_IT_WORKS,
)
"""One try, and two short transactions around it."""

NEVER_GIVE_UP = RetryPolicy(
    initial_interval=timedelta(seconds=10), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)
"""For a workflow that must always run: started anew should a fault of ours end it."""

PROBE = ActivityConfig(
    task_queue=TaskQueue.OUTBOUND,
    start_to_close_timeout=timedelta(seconds=30),
    # Later than that its answer is of another minute, and the next run asks anyway.
    schedule_to_close_timeout=timedelta(minutes=2),
    retry_policy=_UNTIL_IT_WORKS,
)
"""A few seconds of asking outside, and a short transaction."""

SIGNING = ActivityConfig(
    task_queue=TaskQueue.OUTBOUND,
    start_to_close_timeout=timedelta(seconds=45),
    # While a seal or a time-stamp authority is not there nothing is lost: the agreement waits for it.
    retry_policy=_UNTIL_IT_WORKS,
)
"""Some tenths of a second of work, and a time-stamp authority that may be slow."""

SWEEP_CATCH_UP = timedelta(minutes=1)
"""After an outage one sweep does the work of all that were missed."""

PROBE_CATCH_UP = timedelta(seconds=10)
"""A probe tells of now; one that was missed cannot be made up for. The server's least."""

BAA_UPKEEP_EVERY = timedelta(minutes=1)

BUDGET_UPKEEP_EVERY = timedelta(minutes=1)

IDEMPOTENCY_UPKEEP_EVERY = timedelta(minutes=10)
"""How much longer than they count keys are kept at most, while a worker runs."""

REFUSALS_SUMMED_EVERY = timedelta(minutes=1)

RESET_CATCH_UP = timedelta(days=7)
"""A run that an outage took is made up for within the week; after that the next one closes what it would have."""

RESET_SPREAD = timedelta(minutes=10)
"""Midnight comes to many organisations at once."""

PROOF_PAGE = ActivityConfig(
    # A page that takes longer goes on from its last heartbeat.
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_UNTIL_IT_WORKS,
)
"""Some hundred periods, each read under a snapshot of its own."""

PROOF_OFFSET = timedelta(hours=3, minutes=30)
"""After midnight, UTC: an hour that is quiet in the Americas and before the working day in Europe."""

PROOF_CATCH_UP = timedelta(hours=20)
"""A proof that an outage took is made up for on its day."""

PURGE = ActivityConfig(
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(hours=2),
    # Longer than a database fails over. Somebody may hold an organisation's row for hours: the others are not to wait.
    retry_policy=replace(_UNTIL_IT_WORKS, maximum_attempts=8),
)
"""Some hundred small transactions; one that ends early goes on where it stopped, or in the next run."""

PURGE_EVERY = timedelta(hours=1)
"""Days end once a day, but the time to export after a termination at any hour, and with it the time to destroy."""

PURGE_OFFSET = timedelta(minutes=30)
"""After midnight, UTC, when the next day is due everywhere: not at once with all that else begins then."""

AUDIT_PAGE = ActivityConfig(
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_UNTIL_IT_WORKS,
)
"""A part of the audit log, read and checked or written out; one that ends early goes on where it stopped."""

EXPORT_PART = ActivityConfig(
    start_to_close_timeout=timedelta(hours=2),
    # A part takes seconds at most; a worker that is silent for so long is dead, and another goes on.
    heartbeat_timeout=timedelta(seconds=15),
    # What cannot be read for a day will not be read.
    schedule_to_close_timeout=timedelta(days=1),
    retry_policy=_UNTIL_IT_WORKS,
)
"""What is kept of a person, written out part by part; one that ends early goes on where it stopped."""

STAMP_PAGE = ActivityConfig(
    task_queue=TaskQueue.OUTBOUND,
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(minutes=1),
    # After that the next hour's checkpoint is stamped, which covers this one.
    schedule_to_close_timeout=timedelta(minutes=50),
    retry_policy=_UNTIL_IT_WORKS,
)
"""Some hundred questions to a time-stamp authority."""

REPLAY_CLEARING = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_UNTIL_IT_WORKS,
)
"""As many short transactions as it takes to take a replay's deliveries back."""

APP_STEP = ActivityConfig(
    task_queue=TaskQueue.INFERENCE,
    start_to_close_timeout=timedelta(minutes=20),
    # A worker that is silent for three beats is dead, and another takes the step over.
    heartbeat_timeout=timedelta(seconds=15),
    # Calls are counted by their records: a step that waits for room under a rate limit has made none.
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=_UNTIL_IT_WORKS,
    # What was answered by then is settled first.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""One call of a model, tried as often as the call may be made."""

CHAT_ROUND = APP_STEP
"""One answer of a model, tried as often as the call may be made."""

CHAT_TOOL = ActivityConfig(
    task_queue=TaskQueue.INFERENCE,
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=15),
    schedule_to_close_timeout=timedelta(minutes=30),
    retry_policy=replace(_UNTIL_IT_WORKS, maximum_attempts=MOST_TRIES),
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""One use of a tool: what it answers is no failure of the activity."""

FILE_READING = ActivityConfig(
    task_queue=TaskQueue.READING,
    start_to_close_timeout=timedelta(minutes=10),
    # A worker that is silent for three beats is dead, and another reads the file.
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=_UNTIL_IT_WORKS,
)
"""Two minutes at most to read a file, and some seconds to keep what was read."""

FILE_EMBEDDING = ActivityConfig(
    task_queue=TaskQueue.OUTBOUND,
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(seconds=15),
    # A server that is away for a day: the file is found by its words.
    schedule_to_close_timeout=timedelta(days=1),
    retry_policy=replace(_UNTIL_IT_WORKS, maximum_interval=timedelta(minutes=5)),
)
"""Some hundred questions to a server; what it answered by the end of a try is kept."""

END_USER_UPKEEP_EVERY = timedelta(minutes=10)

ERASING = ActivityConfig(
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_UNTIL_IT_WORKS,
)
"""All that is left of a person, taken away or looked through: a million records in some minutes."""

CREDENTIAL_UPKEEP_EVERY = timedelta(minutes=1)

CHECKPOINT_EVERY = timedelta(hours=1)
