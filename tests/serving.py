"""An ASGI server in a thread of its own, running when its block begins."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

_START_S = 60


@contextmanager
def running(config: uvicorn.Config, *, name: str) -> Generator[str]:
    """Its base URL. Raises `RuntimeError` for a server that does not start.

    Servers start one after the other, and while no test begins or ends: two loops that start a process at the same
    moment fail (uvloop), and warnings are filtered for the whole process.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError(f"The server {thread.name} did not start.")
        time.sleep(0.005)
