"""`python -m sandbox --port N`."""

import argparse
from collections.abc import Sequence

import uvicorn

from sandbox.app import Sandbox, recording_is_asked_for


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for both model vendors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--record",
        action="store_true",
        default=recording_is_asked_for(),
        help="keep request bodies for GET /__sandbox/requests; also by HASP_SANDBOX_RECORD=1",
    )
    options = parser.parse_args(arguments)
    # `drop_after` makes the server cut connections, which it would log as errors.
    uvicorn.run(
        Sandbox(record=options.record),
        host=options.host,
        port=options.port,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
