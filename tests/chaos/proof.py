"""What must be true once it is quiet, whoever was killed when. Each check returns the violations that it found."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox.bill import LIMIT
from tests.chaos.history import Asked, History, Outcome
from tests.storm.books import Books, Tokens, billed

Row = dict[str, Any]

_RELEASES = ("release", "void", "expire")
_EXPLAINED = {0, 200, 402, 409, 502, 503}
"""Statuses that callers may see who have hopeless budgets, ask twice at once, or meet parts that are dead."""


def proved(history: History, books: Sequence[Books], bill: list[Row]) -> list[str]:
    """All that is wrong; nothing, when all is well."""
    found = [*_statuses(history), *_one_effect(history), *_bill_is_whole(bill)]
    for each in books:
        found += [*_holds(each), *_accounts(each), *_inferences(each), *_answers(each, history)]
    return [*found, *_billed(history, books, bill)]


def _statuses(history: History) -> Iterator[str]:
    for status, count in Counter(call.status for call in history.calls).items():
        if status not in _EXPLAINED:
            codes = {call.code for call in history.calls if call.status == status}
            yield f"{count} answers of status {status}: {codes}"


def _bill_is_whole(bill: list[Row]) -> Iterator[str]:
    if len(bill) == LIMIT:
        yield "the sandbox forgot a part of its bill: fewer callers, or a shorter run"


def _holds(books: Books) -> Iterator[str]:
    """Each hold is closed, and what was entered for it is what its state says."""
    entries = books.entries()
    for hold in books.holds().values():
        moved, amount, charged = entries[hold["id"]], hold["amount"], hold["charged"] or 0
        name = f"hold {hold['id']} of {amount}, {hold['state']}, charged {charged}: {dict(moved)}"
        if hold["state"] == "open":
            yield f"open after its lease: {name}"
        elif moved["reserve"] != amount:
            yield f"reserved is not what is held: {name}"
        elif moved["post"] + sum(moved[phase] for phase in _RELEASES) != amount:
            yield f"what left is not what was held: {name}"
        elif moved["post"] + moved["overrun"] != charged:
            yield f"spent is not what was charged: {name}"


def _accounts(books: Books) -> Iterator[str]:
    """Balances are the sums of entries, and of usage."""
    entries, holds, usage = books.entries(), books.holds(), books.charged()
    for account in books.accounts():
        start, holder = account["period_start"], account["holder"]
        ours = [hold for hold in holds.values() if hold["period_start"] == start and holder in hold["holders"]]
        moved = sum((entries[hold["id"]] for hold in ours), Counter[str]())
        used = sum(
            row["credits"]
            for row in usage.values()
            if row["period_start"] == start and holder in ("organization", f"key:{row['family']}")
        )
        balances = (account["posted"], account["pending"], account["overrun"])
        summed = (
            moved["post"] + moved["overrun"],
            moved["reserve"] - moved["post"] - sum(moved[phase] for phase in _RELEASES),
            moved["overrun"],
        )
        name = f"{holder} of {books.org} in {start}"
        if balances != summed:
            yield f"{name}: settled, held, overrun {balances} are not the entries' {summed}"
        if account["posted"] != used:
            yield f"{name}: settled {account['posted']} is not the usage's {used}"


def _inferences(books: Books) -> Iterator[str]:
    """Each has ended, has a hold, and has as much usage as its ending says."""
    usage, holds = books.charged(), books.holds()
    for inference in books.inferences().values():
        name, status = f"inference {inference['id']}", inference["status"]
        if status == "in_progress":
            yield f"{name} never ended"
        if status == "completed" and inference["id"] not in usage:
            yield f"{name} is completed without usage"
        if status == "lost" and inference["id"] in usage:
            yield f"{name} is lost, and has usage"
        if inference["id"] not in holds:
            yield f"{name} has no hold"


def _answers(books: Books, history: History) -> Iterator[str]:
    """Whoever was answered has one line of usage, the one of the answer; whoever was refused has none."""
    usage = books.charged()
    for call in history.calls:
        if call.organization != books.org or call.inference is None:
            continue
        line = usage.get(call.inference)
        if call.outcome is Outcome.OK and (
            line is None
            or (line["input_tokens"], line["output_tokens"], line["model"])
            != (call.input_tokens, call.output_tokens, call.model)
        ):
            yield f"answered, and not on record as that: {call}"
        if call.outcome is Outcome.FAILED and line is not None:
            yield f"refused, and charged: {call}"


def _billed(history: History, books: Sequence[Books], bill: list[Row]) -> Iterator[str]:
    """The bill is the usage and what was lost with its process, line by line; nothing that was answered is lost."""
    whole = billed([line for line in bill if line["ending"] == "complete"])
    used = Counter(_line(row) for each in books for row in _wholly_answered(each))
    for line, count in used.items():
        if count > 1:
            yield f"one call, charged {count} times: {line}"
    for line in used - whole:
        yield f"charged, and never billed: {line}"
    unused = Counter(line[0] for line in (whole - used).elements())
    unused += Counter(line[0] for line in billed([line for line in bill if line["ending"] == "left"]).elements())
    known = Counter(row["model"] for each in books for row in each.inferences().values() if _may_be_billed(row))
    for model, count in (unused - known).items():
        yield f"{count} answers of {model} are billed, and neither charged, nor left, nor on record as lost"
    tries = Counter(call.number for call in history.calls)
    for call in history.of(Outcome.OK):
        line = (call.model, call.input_tokens, call.output_tokens, 0, 0)
        if not 1 <= whole[line] <= tries[call.number]:
            yield f"answered, and billed {whole[line]} times: {call}"


def _one_effect(history: History) -> Iterator[str]:
    """Whoever asked again under an idempotency key was told of one and the same inference."""
    answers: defaultdict[int, set[str | None]] = defaultdict(set)
    for call in history.of(Outcome.OK):
        answers[call.number].add(call.inference)
    for number, inferences in answers.items():
        if len(inferences) > 1:
            yield f"call {number} has {len(inferences)} answers: {inferences}"


def _wholly_answered(books: Books) -> Iterator[Row]:
    """Usage of whole answers, also of those that nobody waited for."""
    usage = books.charged()
    for inference in books.inferences().values():
        if _is_whole(inference) and inference["id"] in usage:
            yield usage[inference["id"]]


def _is_whole(inference: Row) -> bool:
    left = inference["status"] == "cancelled" and not inference["streamed"] and inference["stop_reason"] is not None
    return inference["status"] == "completed" or left


def _may_be_billed(inference: Row) -> bool:
    """Ended without a whole answer: by the death of its process, or because its caller left."""
    return inference["status"] in ("lost", "cancelled", "failed") and not _is_whole(inference)


def _line(usage: Row) -> Tokens:
    written = usage["cache_write_5m_tokens"] + usage["cache_write_1h_tokens"]
    return usage["model"], usage["input_tokens"], usage["output_tokens"], usage["cache_read_tokens"], written


def lost_of(books: Sequence[Books]) -> int:
    return sum(row["status"] == "lost" for each in books for row in each.inferences().values())


def summary(calls: Sequence[Asked]) -> str:
    """Calls by outcome and status."""
    counts = Counter((call.outcome, call.status) for call in calls)
    return ", ".join(
        f"{count} {outcome} ({status or 'no status'})" for (outcome, status), count in sorted(counts.items())
    )
