import asyncio

from structlog.testing import capture_logs

from worker.service import Service


class Stumbling:
    """Crashes the first time, then runs."""

    def __init__(self) -> None:
        self.starts = 0
        self.is_running = asyncio.Event()

    async def run(self) -> None:
        self.starts += 1
        if self.starts == 1:
            raise RuntimeError("about Quackenbush")
        self.is_running.set()
        await asyncio.Event().wait()


async def test_a_crashed_service_is_started_again_and_said_so() -> None:
    stumbling = Stumbling()
    service = Service("sequencer", stumbling.run)

    with capture_logs() as logs:
        async with service.running():
            await stumbling.is_running.wait()
            assert service.alive

    assert not service.alive
    assert stumbling.starts == 2
    (line,) = logs
    assert (line["event"], line["dependency"], line["error_type"]) == ("service_crashed", "sequencer", "RuntimeError")
    assert "Quackenbush" not in repr(line)
