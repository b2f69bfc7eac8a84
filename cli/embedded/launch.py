"""Become another program that cannot outlive its supervisor, and that PostgreSQL accepts when root starts it.

Run as a script, `python -I -S launch.py SUPERVISOR_PID SIGNAL keep|unroot PROGRAM [ARGUMENT ...]`: an exec'd
script can set up its own process, where a `preexec_fn` would have to run between fork and exec.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534


def command(argv: tuple[str, ...], *, stop_signal: signal.Signals, unroot: bool) -> tuple[str, ...]:
    """The command line that runs `argv` under the calling process; `argv[0]` is a path."""
    mode = "unroot" if unroot else "keep"
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(stop_signal)), mode, *argv)


def main(arguments: list[str]) -> None:
    supervisor, stop_signal, mode, *argv = arguments
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell's background job has SIGINT ignored, and so would we
        signal.signal(each, signal.SIG_DFL)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if mode == "unroot" and os.geteuid() == 0:
            _leave_root(libc)
        # Last, because entering a namespace clears it.
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal))
    if os.getppid() != int(supervisor):  # it died before the line above could notice
        sys.exit(1)
    os.execv(argv[0], argv)  # noqa: S606 - there is no shell to want


def _leave_root(libc: ctypes.CDLL) -> None:
    """Map root to nobody in a user namespace: no account is made and nothing is chowned, so a folder below a
    0700 home works; outside, the files stay root's."""
    if libc.unshare(CLONE_NEWUSER):
        sys.exit("user namespaces are off here, and PostgreSQL does not run as root: start Hasp as an ordinary user")
    for name, mapping in (("setgroups", "deny"), ("uid_map", f"{NOBODY} 0 1"), ("gid_map", f"{NOBODY} 0 1")):
        Path("/proc/self", name).write_text(mapping)


if __name__ == "__main__":
    main(sys.argv[1:])
