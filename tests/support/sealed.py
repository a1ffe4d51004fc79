"""Runs pytest where no packet can leave: `python -m tests.support.sealed ARGUMENTS`.

A network namespace of its own holds only the loopback device, to which every address of the world
leads, so that whoever connects to any address is caught by a listener here.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys

import pytest

NOT_PERMITTED = 77
_NEW_USER, _NEW_NETWORK = 0x1000_0000, 0x4000_0000
_GET_FLAGS, _SET_FLAGS, _UP, _SET_ADDRESS = 0x8913, 0x8914, 1, 0x8916


def seal() -> None:
    """Move this process into a network of its own.

    Raises:
        PermissionError: the system does not let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _NEW_NETWORK if os.geteuid() == 0 else _NEW_NETWORK | _NEW_USER
    if libc.unshare(flags) != 0:
        raise PermissionError(os.strerror(ctypes.get_errno()))
    _raise_loopback()
    for family in (socket.AF_INET, socket.AF_INET6):
        _lead_everything_here(family)
    # Proof, before anything is tried: this is the only device.
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def _lead_everything_here(family: int) -> None:
    """`ip route add local default dev lo`, by netlink, as not every system has `ip`."""
    new_route, flags = 24, 0x1 | 0x4 | 0x400  # a request, answered, that creates
    local_table, static, host_scope, local = 255, 4, 254, 2
    message = struct.pack("BBBBBBBBI", family, 0, 0, 0, local_table, static, host_scope, local, 0)
    message += struct.pack("HHI", 8, 4, socket.if_nametoindex("lo"))
    header = struct.pack("IHHII", 16 + len(message), new_route, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.send(header + message)
        code = -struct.unpack("i", link.recv(4096)[16:20])[0]
    if code and family == socket.AF_INET:  # IPv6 may be switched off
        raise OSError(code, errno.errorcode.get(code, "?"))


def add_to_loopback(address: str) -> None:
    """Give this machine one more IPv4 address."""
    place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_ADDRESS, struct.pack("16s16s8x", b"lo:1", place))


if __name__ == "__main__":
    try:
        seal()
    except PermissionError as error:
        sys.stdout.write(f"a network namespace is not permitted here: {error}\n")
        sys.exit(NOT_PERMITTED)
    sys.exit(pytest.main(sys.argv[1:]))
