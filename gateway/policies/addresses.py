"""Which addresses are a gateway's own machine, network or cloud, and no API on the internet.

Pure. The list is the registry of special-purpose addresses (RFC 6890 and its IANA tables), and what those carry inside:
an IPv6 address that maps, translates or tunnels to an IPv4 one is judged by that one.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_PRIVATE_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for its own
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' address translation, and some clouds' services
        "127.0.0.0/8",
        "169.254.0.0/16",  # link local: where clouds hand out credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation, as the two below
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PRIVATE_6 = tuple(
    IPv6Network(network)
    for network in (
        "::/127",  # unspecified, loopback
        "64:ff9b:1::/48",  # translation within one network
        "100::/64",
        "2001::/23",  # tunnels and other protocols' own
        "2001:db8::/32",
        "fc00::/7",  # unique local
        "fe80::/10",  # link local
        "fec0::/10",
        "ff00::/8",
    )
)
# Networks whose addresses carry an IPv4 one, and how many bits stand behind it.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
    (IPv6Network("::/96"), 0),
)


def private(address: str) -> bool:
    """Whether ``address``, as a socket has it (``::1``, ``fe80::1%eth0``), is not on the public internet."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return any(found in network for network in _PRIVATE_4)
    if any(found in network for network in _PRIVATE_6):
        return True
    carried = _carried(found)
    return carried is not None and private(str(carried))


def _carried(address: IPv6Address) -> IPv4Address | None:
    for network, behind in _CARRIERS:
        if address in network:
            return IPv4Address((int(address) >> behind) & 0xFFFF_FFFF)
    return None
