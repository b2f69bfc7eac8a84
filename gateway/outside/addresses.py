"""Which addresses of the Internet a customer's URL may lead to: those that are everybody's, and no others.

An address is refused unless it is known to be public. What carries an IPv4
address inside an IPv6 one (mapped, NAT64, 6to4, Teredo) is refused whatever it
carries: it would be delivered by a translator of this network.

Source: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890), read in
November 2026; they are data here because the standard library's answer changes
with the version of Python.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_REFUSED_V4 = tuple(
    (int(network.network_address), int(network.netmask))
    for network in map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by a carrier's customers; metadata of some clouds
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; metadata of some clouds
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # automatic multicast tunnelling
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # class E and broadcast
            "168.63.129.16/32",  # public by its number, but a cloud's own host to every machine in it
        ),
    )
)

_GLOBAL_V6 = IPv6Network("2000::/3")
"""All that is given to anybody. Outside are mapped, compatible, NAT64, unique-local, link-local, SRv6, multicast."""

_REFUSED_V6 = tuple(
    (int(network.network_address), int(network.netmask))
    for network in map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether `address` is one that anybody on the Internet can be reached at."""
    number = int(address)
    if isinstance(address, IPv4Address):
        return not _is_in(number, _REFUSED_V4)
    return address in _GLOBAL_V6 and address.scope_id is None and not _is_in(number, _REFUSED_V6)


def parse(text: str) -> Address | None:
    """The address that `text` is in its one usual notation; None for a name, and for any other notation."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_in(number: int, networks: tuple[tuple[int, int], ...]) -> bool:
    return any(number & mask == start for start, mask in networks)
