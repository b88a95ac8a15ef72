"""Ports of this machine that a demo can have."""

import errno
import socket

LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""What a browser may take `localhost` for."""


def free_port(wanted: int) -> int:
    """Give the wanted port, or any free one where that is taken; whoever binds it first has it."""
    while not is_free(wanted):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            wanted = int(probe.getsockname()[1])
    return wanted


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of this machine, whichever way `localhost` is read."""
    return all(_can_bind(family, host, port) for family, host in LOOPBACK)


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # there is no IPv6 here
    return True
