"""The sandbox's own paths, for tests: what it was sent, what it would bill, and which models are down."""

from collections.abc import Awaitable, Callable, Mapping

from sandbox.bill import Bill
from sandbox.outage import Outage, read_outage
from sandbox.recorder import Recorder
from sandbox.wire import Receive, Send, read_body, send_json

PREFIX = "/__sandbox/"


class Control:
    """Answers 404 to everything unless it is `on`."""

    def __init__(self, *, on: bool) -> None:
        self.recorder = Recorder(on=on)
        self.bill = Bill(on=on)
        self.outage = Outage()
        self._on = on
        self._routes: Mapping[tuple[str, str], Callable[[Receive, Send], Awaitable[None]]] = {
            ("GET", "requests"): self._tell_requests,
            ("DELETE", "requests"): self._forget_requests,
            ("GET", "bill"): self._tell_bill,
            ("DELETE", "bill"): self._forget_bill,
            ("GET", "outage"): self._tell_outage,
            ("POST", "outage"): self._begin_outage,
            ("DELETE", "outage"): self._end_outage,
        }

    async def respond(self, method: str, path: str, receive: Receive, send: Send) -> None:
        route = self._routes.get((method, path.removeprefix(PREFIX)))
        if not self._on:
            await send_json(send, 404, {"error": "start the sandbox with HASP_SANDBOX_RECORD=1"})
        elif route is None:
            await send_json(send, 404, {"error": "no such path or method"})
        else:
            await route(receive, send)

    async def _tell_requests(self, _receive: Receive, send: Send) -> None:
        await send_json(send, 200, {"requests": self.recorder.listed()})

    async def _forget_requests(self, receive: Receive, send: Send) -> None:
        self.recorder.clear()
        await self._tell_requests(receive, send)

    async def _tell_bill(self, _receive: Receive, send: Send) -> None:
        await send_json(send, 200, {"bill": self.bill.listed()})

    async def _forget_bill(self, receive: Receive, send: Send) -> None:
        self.bill.clear()
        await self._tell_bill(receive, send)

    async def _tell_outage(self, _receive: Receive, send: Send) -> None:
        await send_json(send, 200, self.outage.told())

    async def _begin_outage(self, receive: Receive, send: Send) -> None:
        try:
            self.outage = read_outage(await read_body(receive))
        except ValueError as error:
            await send_json(send, 400, {"error": str(error)})
        else:
            await self._tell_outage(receive, send)

    async def _end_outage(self, receive: Receive, send: Send) -> None:
        self.outage = Outage()
        await self._tell_outage(receive, send)
