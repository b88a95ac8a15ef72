"""Connections to an address that was looked at first, so that a name cannot mean another one a moment later."""

import socket
from ipaddress import IPv4Network, IPv6Network, ip_address

import urllib3

_WRAPPED = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("fec0::/10"),
)
"""Addresses that carry another one inside, which may be one in the house, and those that once meant a site."""

_RELAYS = IPv4Network("192.88.99.0/24")


def port_of(scheme: str, port: int | None) -> int:
    """Give the port that an address means."""
    return port or (443 if scheme == "https" else 80)


def numbers_of(host: str, port: int) -> list[str]:
    """Look a name up; raises OSError, and UnicodeError for what can be no name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(number: str) -> bool:
    """Tell whether a numeric address is out in the world, not in the house or on this machine."""
    address = ip_address(number)
    wrapped = any(address in network for network in (_WRAPPED if address.version == 6 else (_RELAYS,)))
    return address.is_global and not address.is_multicast and not wrapped


def pool(scheme: str, host: str, number: str, port: int, timeout_s: float) -> urllib3.HTTPConnectionPool:
    """Make connections to a numeric address; certificates are of the host."""
    timeout = urllib3.Timeout(timeout_s)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(number, port, timeout=timeout, retries=False)
    return urllib3.HTTPSConnectionPool(
        number, port, timeout=timeout, retries=False, server_hostname=host, assert_hostname=host
    )
