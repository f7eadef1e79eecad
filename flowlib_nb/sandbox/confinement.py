"""Takes from a worker process, for good, what evaluating a template never needs.

Two mechanisms of Linux, each used where the kernel offers it: Landlock denies every access to the
file system and to TCP; seccomp leaves the few system calls that computing needs, and refuses all
others (files, sockets, programs, other processes). The engine is what contains a template; this
contains an engine with a hole in it.

Sources: Linux's ``Documentation/userspace-api/landlock.rst`` and ``seccomp_filter.rst``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Literal

State = Literal["on", "not offered by this system"]

ON: State = "on"
ABSENT: State = "not offered by this system"

_PR_SET_NO_NEW_PRIVS = 38
# The same numbers on every architecture.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x0001_0000
_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
# read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
# mremap madvise nanosleep getpid exit exit_group futex sched_yield sigaltstack gettid tgkill
# clock_gettime clock_nanosleep set_robust_list getrandom membarrier rseq restart_syscall
# sched_getaffinity poll ppoll get_robust_list set_tid_address
_ALLOWED = {
    "x86_64": (
        0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 25, 28, 35, 39, 60, 231, 202, 24, 131, 186, 234,
        228, 230, 273, 318, 324, 334, 219, 204, 7, 271, 274, 218,
    ),
    "aarch64": (
        63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 216, 233, 101, 172, 93, 94, 98, 124,
        132, 178, 131, 113, 115, 99, 278, 283, 293, 128, 123, 73, 100, 96,
    ),
}  # fmt: skip


def confine() -> dict[str, State]:
    """Give up files, network and new programs, now and for all threads to come.

    Returns
    -------
    dict of str
        For ``landlock`` and ``seccomp``: ``on``, or why not.
    """
    if sys.platform != "linux":
        return {"landlock": ABSENT, "seccomp": ABSENT}
    libc = ctypes.CDLL(None, use_errno=True)
    # Without it, neither may be used by who is not root.
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return {
        "landlock": ON if _landlock(libc) else ABSENT,
        "seccomp": ON if _seccomp(libc) else ABSENT,
    }


def _landlock(libc: ctypes.CDLL) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    # All rights that this version knows are handled, and no rule grants any.
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    attributes = struct.pack("=Q", files)
    if version >= 4:
        attributes += struct.pack("=Q", 0b11)  # binding and connecting TCP sockets
    if version >= 6:
        attributes += struct.pack("=Q", 0b11)  # abstract UNIX sockets, signals
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _seccomp(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in _AUDIT_ARCH or struct.calcsize("P") != 8:
        return False
    code = b"".join(_instructions(machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    done = libc.syscall(
        _SECCOMP[machine],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.byref(program),
    )
    return bool(done == 0)


def _instructions(machine: str) -> list[bytes]:
    """The filter as classic BPF: what is not allowed fails with EPERM."""
    load, equal, any_set, answer = 0x20, 0x15, 0x45, 0x06
    number, architecture, first_argument = 0, 4, 16

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    steps = [
        step(load, architecture),
        step(equal, _AUDIT_ARCH[machine], yes=1),
        step(answer, _KILL),
        step(load, number),
        # The C library falls back to clone, whose flags can be looked at.
        step(equal, _CLONE3, no=1),
        step(answer, _ERRNO | _ENOSYS),
        step(equal, _CLONE[machine], no=4),
        step(load, first_argument),
        step(any_set, _CLONE_THREAD, no=1),
        step(answer, _ALLOW),
        step(answer, _ERRNO | _EPERM),
    ]
    for allowed in _ALLOWED[machine]:
        steps += [step(equal, allowed, no=1), step(answer, _ALLOW)]
    return [*steps, step(answer, _ERRNO | _EPERM)]
