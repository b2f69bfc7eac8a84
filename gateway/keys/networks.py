"""From where a key may be used: networks in CIDR form, of either family."""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from gateway.errors import ValidationFailedError

Network = IPv4Network | IPv6Network
N = TypeVar("N", IPv4Network, IPv6Network)

MAX_NETWORKS = 100

_MAPPED = IPv6Network("::ffff:0:0/96")


def read_networks(field: str, texts: Sequence[str]) -> tuple[Network, ...]:
    """`texts` as networks, each once; a single address is a network of one.

    Raises `ValidationFailedError`, which names the position in `field`, for what is none, has bits set beyond
    its prefix, or has a zone, and for more than `MAX_NETWORKS`.
    """
    if len(texts) > MAX_NETWORKS:
        raise ValidationFailedError(f"`{field}` has more than {MAX_NETWORKS} entries.", param=field)
    return tuple(dict.fromkeys(_network(f"{field}[{index}]", text) for index, text in enumerate(texts)))


def stored_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """What `read_networks` once let in, from the texts that were kept of it."""
    return tuple(map(ipaddress.ip_network, texts))


def admits(networks: Sequence[Network], address: str | None) -> bool:
    """Whether a request from `address` may use a key of `networks`. None listed: from anywhere.

    An address that is unknown or unreadable is in no network.
    """
    if not networks:
        return True
    try:
        found = _unmapped(ipaddress.ip_address(address or ""))
    except ValueError:
        return False
    return any(found in network for network in networks)


def caller_network(address: str | None) -> str:
    """The network whose addresses are in one hand, as text: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = _unmapped(ipaddress.ip_address(address or ""))
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found) >> 64 << 64, 64)))
    return str(IPv4Network(found))


def all_within(networks: Sequence[Network], outer: Sequence[Network]) -> bool:
    """Whether every address of `networks` is in `outer` too. None listed: everywhere."""
    if not outer:
        return True
    # Of two halves that `outer` lists, collapsed, the whole is one network: what lies across them is found in it.
    merged = (*_collapsed(outer, IPv4Network), *_collapsed(outer, IPv6Network))
    return bool(networks) and all(any(_holds(each, network) for each in merged) for network in networks)


def _collapsed(networks: Iterable[Network], family: type[N]) -> Iterable[N]:
    return ipaddress.collapse_addresses([each for each in networks if isinstance(each, family)])


def _holds(outer: Network, network: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(network, IPv4Network) and network.subnet_of(outer)
    return isinstance(network, IPv6Network) and network.subnet_of(outer)


def _network(place: str, text: str) -> Network:
    try:
        network = None if "%" in text else ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is None:
        raise ValidationFailedError(
            f"`{place}` is not a network such as 192.0.2.0/24 or 2001:db8::/32, without bits beyond its prefix.",
            param=place,
        )
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        # A listener of both families reports IPv4 clients in this form: compared, and kept, as what they are.
        return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
