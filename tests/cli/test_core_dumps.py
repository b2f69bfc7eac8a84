"""What a crash of the API or the worker leaves behind: nothing."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from storage.keyring import create_keyring
from tests.embedded import free_port


def _as_an_operator_who_collects_cores() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5):
                return
        except URLError:
            pass
    pytest.fail("the process does not answer")


@pytest.mark.parametrize(
    ("command", "port_variable"), [("api", "HASP_API_PORT"), ("worker", "HASP_WORKER_HEALTH_PORT")]
)
def test_a_process_that_holds_requests_and_keys_dumps_no_core(command: str, port_variable: str, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    create_keyring(keyring)
    port = str(free_port())
    environ = {
        **os.environ,
        "HASP_DATABASE_URL": f"postgresql://x@127.0.0.1:{free_port()}/x",
        "HASP_KEYRING_FILE": str(keyring),
        "HASP_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        port_variable: port,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", command],
        env=environ,
        stdout=subprocess.DEVNULL,
        preexec_fn=_as_an_operator_who_collects_cores,  # noqa: PLW1509 - no threads here that matter
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/livez", process)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    finally:
        process.kill()
        process.wait()

    assert re.search(r"Max core file size +0 +0 ", limits)
