"""What a process gives up for good before it reads what nobody vouches for.

Limits bound what it takes, and a filter of system calls (seccomp) what it can
reach: it reads and writes what is open already and asks for memory, nothing
else. There is no file, socket, process or signal for it any more, so a library
that is taken over has nobody to tell, and cannot see its parent's secrets.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Mapping
from typing import Final

_MEMORY: Final = 1 << 30
_CPU_S: Final = 60
_OPEN_FILES: Final = 64

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1
"""With EPERM."""
_KILL: Final = 0x80000000

_LOAD_WORD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4

_X86_64: Final = {
    "read": 0,
    "write": 1,
    "close": 3,
    "fstat": 5,
    "lseek": 8,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "getpid": 39,
    "exit": 60,
    "gettimeofday": 96,
    "getrusage": 98,
    "sigaltstack": 131,
    "futex": 202,
    "clock_gettime": 228,
    "exit_group": 231,
    "newfstatat": 262,
    "getrandom": 318,
}
_AARCH64: Final = {
    "close": 57,
    "lseek": 62,
    "read": 63,
    "write": 64,
    "newfstatat": 79,
    "fstat": 80,
    "exit": 93,
    "exit_group": 94,
    "futex": 98,
    "clock_gettime": 113,
    "sched_yield": 124,
    "sigaltstack": 132,
    "rt_sigaction": 134,
    "rt_sigprocmask": 135,
    "rt_sigreturn": 139,
    "getrusage": 165,
    "gettimeofday": 169,
    "getpid": 172,
    "brk": 214,
    "munmap": 215,
    "mremap": 216,
    "mmap": 222,
    "mprotect": 226,
    "madvise": 233,
    "getrandom": 278,
}
_NUMBERS: Final[Mapping[str, tuple[int, Mapping[str, int]]]] = {
    "x86_64": (0xC000003E, _X86_64),
    "aarch64": (0xC00000B7, _AARCH64),
}
"""By the machine: what its calls are marked with (`AUDIT_ARCH_*`), and those that are let through."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine() -> None:
    """Everything that is to be imported or opened has to be by now. Cannot be undone.

    Raises `OSError` or `ValueError` where the system does not let it; on systems other than Linux, and machines other
    than x86-64 and ARM64, there are only the limits.
    """
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # At the first it is told by a signal that says why, at the second it is killed.
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    # It writes no files, and leaves no picture of itself.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and platform.machine() in _NUMBERS:
        _filter_calls(*_NUMBERS[platform.machine()])


def _filter_calls(architecture: int, allowed: Mapping[str, int]) -> None:
    steps = [
        _step(_LOAD_WORD, _ARCHITECTURE_AT),
        _step(_JUMP_IF_EQUAL, architecture, if_true=1),
        _step(_RETURN, _KILL),
        _step(_LOAD_WORD, _NUMBER_AT),
        *(
            step
            for number in allowed.values()
            for step in (_step(_JUMP_IF_EQUAL, number, if_false=1), _step(_RETURN, _ALLOW))
        ),
        _step(_RETURN, _REFUSE),
    ]
    program = _Program(len(steps), b"".join(steps))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, *rest in (
        # No process of the same user looks into it either.
        (_PR_SET_DUMPABLE, 0, 0, 0, 0),
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(option, *rest) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _step(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """A `struct sock_filter` of the kernel's."""
    return struct.pack("HBBI", code, if_true, if_false, value)
