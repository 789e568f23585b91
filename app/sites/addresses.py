"""Which network addresses the reader of sites may connect to (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

MayConnect = Callable[[str], bool]
"""Whether a connection to this IP address is allowed."""

_NOT_PUBLIC_EITHER = (  # in the IANA registries, but not in every Python's list
    ipaddress.ip_network("192.0.0.0/24"),  # RFC 6890: protocol assignments
    ipaddress.ip_network("fec0::/10"),  # RFC 3879: site-local, deprecated and still routed inside sites
    ipaddress.ip_network("64:ff9b:1::/48"),  # RFC 8215: translation inside a network
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits


def is_public(address: str) -> bool:
    """False for loopback, private, link-local (cloud metadata), shared, reserved and multicast addresses.

    IPv4 addresses inside IPv6 ones (mapped, 6to4, Teredo, NAT64) are judged by what they lead to.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return _is_global(parsed) and all(_is_global(inner) for inner in _embedded(parsed))
    return _is_global(parsed)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address in _NAT64 or getattr(address, "ipv4_mapped", None) is not None:
        return True  # decided by the IPv4 address inside
    if any(address in network for network in _NOT_PUBLIC_EITHER):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_link_local or address.is_unspecified
    )


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a packet to this address may end at."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]
