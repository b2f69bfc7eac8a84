"""`hasp` as a process of its own for each command, forked from one that has imported everything.

A command is a second of imports and a few milliseconds of work; hundreds of them are run by tests. What differs from
an interpreter that is started anew is only that: arguments, environment, folder, streams and exit code are its own.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

_MOST_BYTES = 200_000
_HEAVY = ("cli.main", "cli.operator", "gateway.baa.document", "storage")
"""What commands import when they need it."""


def run_hasp(
    *arguments: str, env: Mapping[str, str], stdin: bytes = b"", cwd: Path | str | None = None
) -> subprocess.CompletedProcess[str]:
    """What came of one command. Raises `TimeoutError` when it takes more than a minute."""
    request = json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd or Path.cwd())}).encode()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(60)
            connection.connect(_forking())
            socket.send_fds(connection, [request], [given.fileno(), out.fileno(), err.fileno()])
            code = int(connection.recv(16))
        return subprocess.CompletedProcess(["hasp", *arguments], code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _forking() -> str:
    """The socket of the process that forks; it ends with this one."""
    path = Path(tempfile.mkdtemp(prefix="hasp-"), "commands")
    parent = subprocess.Popen(
        [sys.executable, "-m", __name__, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    _kept.append(parent)
    return str(path)


_kept: list[subprocess.Popen[bytes]] = []
_ROOT = Path(__file__).parents[1]


def _serve(path: str) -> None:
    for heavy in _HEAVY:
        importlib.import_module(heavy)
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, selectors.DefaultSelector() as waiting:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in waiting.select()):
            connection, _ = listener.accept()
            if os.fork() == 0:
                _attend(connection)
            connection.close()
            _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _attend(connection: socket.socket) -> None:
    """Run one command and say how it ended. Does not return."""
    request, streams, *_ = socket.recv_fds(connection, _MOST_BYTES, 3)
    command = os.fork()
    if command == 0:
        _become(streams, **json.loads(request))
    _, status = os.waitpid(command, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], env: dict[str, str], cwd: str) -> None:
    """Does not return."""
    from cli.main import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["hasp", *arguments]
    code = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter says it
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
