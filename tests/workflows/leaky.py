"""A workflow that puts what it is given into every place of a history that can hold a payload."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

ATTEMPTS = 3


@activity.defn(name="test.leak")
async def leak(secret: str) -> str:
    """Fails at first, in ways that carry the secret; then returns it."""
    activity.heartbeat(secret)
    if activity.info().attempt < ATTEMPTS:
        raise ApplicationError(f"failed with {secret}", {"detail": secret}, type="LEAK")
    return secret


@activity.defn(name="test.refuse")
async def refuse(secret: str) -> None:
    cause = ValueError(f"caused by {secret}")
    raise ApplicationError(f"refused {secret}", secret, type="REFUSED", non_retryable=True) from cause


@workflow.defn(name="test.leaky")
class Leaky:
    @workflow.run
    async def run(self, secret: str) -> str:
        returned = await workflow.execute_activity(
            leak,
            secret,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=ATTEMPTS),
            summary=f"about {secret}",
        )
        await workflow.execute_activity(refuse, returned, start_to_close_timeout=timedelta(seconds=10))
        return returned


@workflow.defn(name="test.echo")
class Echo:
    @workflow.run
    async def run(self, secret: str) -> str:
        return await workflow.execute_activity(
            leak,
            secret,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=ATTEMPTS),
        )


@workflow.defn(name="test.faulty")
class Faulty:
    @workflow.run
    async def run(self, secret: str) -> None:
        raise KeyError(f"broke on {secret}")
