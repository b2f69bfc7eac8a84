"""A small real part: `part.py NAME PORT JOURNAL` serves 200 on PORT and writes its start and stop to JOURNAL."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def main(name: str, port: str, journal: str) -> None:
    def note(event: str) -> None:
        with Path(journal).open("a") as file:
            file.write(f"{name} {event}\n")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: a second would be noted as another stop
        note("stop")
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    server = HTTPServer(("127.0.0.1", int(port)), Answer)
    note("start")
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
