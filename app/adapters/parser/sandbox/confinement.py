"""What a child gives up, for good: room, time, and then all but reading and answering."""

import ctypes
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from platform import machine

from app.adapters.parser.sandbox.orders import Limits

# Politer than the service and its database, and the first to go when memory runs out.
NICE = 10
_OOM_SCORE = b"1000"
# How much later than the service's own clock ours ends us, should the service not be there.
_GRACE_S = 2.0

# What Python tells its audit hooks of, where the kernel cannot be asked to refuse it.
_REFUSED = ("open", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "ctypes.dlopen")

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ALLOW = 0x7FFF0000
_SECCOMP_RET_ERRNO = 0x00050000
_EPERM = 1

# Memory, signal handlers, clocks, randomness, open descriptors, and the end. No call here opens a
# file, makes a socket, starts a process or signals one. By architecture, as the kernel numbers
#   read write writev close fstat lseek pread64 poll ppoll mmap mprotect munmap mremap madvise brk
#   rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack sched_yield nanosleep clock_nanosleep
#   clock_gettime gettimeofday getrusage getpid gettid futex restart_syscall getrandom rseq
#   membarrier exit exit_group
_X86_64 = (
    *(0, 1, 20, 3, 5, 8, 17, 7, 271, 9, 10, 11, 25, 28, 12),
    *(13, 14, 15, 131, 24, 35, 230, 228, 96, 98, 39, 186, 202, 219, 318, 334, 324, 60, 231),
)
_AARCH64 = (
    *(63, 64, 66, 57, 80, 62, 67, 73, 222, 226, 215, 216, 233, 214),
    *(134, 135, 139, 132, 124, 101, 115, 113, 169, 165, 172, 178, 98, 128, 278, 293, 283, 93, 94),
)
_ALLOWED = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


def stay_with(parent: int) -> None:
    """Die with the service; where the system cannot do that, the alarm of `limit` must do.

    Who tells the service to stop may tell all its processes: that is not the file's fault, and
    what then becomes of it the service decides.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as score:
            score.write(_OOM_SCORE)


def limit(limits: Limits) -> None:
    """Memory, time, and no core file, child process or written file."""
    os.nice(NICE)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s + _GRACE_S)
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        # macOS knows no limit of address space.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def lock() -> None:
    """Keep the three open descriptors and the right to compute; give up the rest.

    On Linux (x86-64, ARM64) the kernel sees to it, by a filter that allows only the calls above.
    Elsewhere no further descriptor can be opened, and Python's own calls are refused.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    if sys.platform != "linux" or not _filter_calls():
        sys.addaudithook(_refuse)


def _filter_calls() -> bool:
    if machine() not in _ALLOWED:
        return False
    architecture, allowed = _ALLOWED[machine()]
    program = _program(architecture, allowed)
    count = len(program) // 8
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", count, ctypes.addressof(buffer))
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0


def _program(architecture: int, allowed: tuple[int, ...]) -> bytes:
    """The filter as the kernel reads it (classic BPF): code, jump if true, if false, value."""
    load, jump_if_equal, jump_if_above, give_back = 0x20, 0x15, 0x35, 0x06
    # The last number of a call is 2^30 less one; above it begin those of other calling conventions.
    steps = [
        (load, 0, 0, 4),
        (jump_if_equal, 1, 0, architecture),
        (give_back, 0, 0, _SECCOMP_RET_ERRNO | _EPERM),
        (load, 0, 0, 0),
        (jump_if_above, len(allowed), 0, 0x40000000),
    ]
    for place, number in enumerate(allowed):
        steps.append((jump_if_equal, len(allowed) - place, 0, number))
    steps.append((give_back, 0, 0, _SECCOMP_RET_ERRNO | _EPERM))
    steps.append((give_back, 0, 0, _SECCOMP_RET_ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _refuse(event: str, _arguments: object) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is not allowed while a document is read")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
