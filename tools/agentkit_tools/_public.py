"""Which network addresses are anybody's, and which belong to this machine, this network or this cloud."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from agentkit import ToolError

# Not to be reached, beside what `is_global` says no to, which differs between versions of Python.
# Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses.
_NEVER = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *(
            "::/96",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
        ),
        *("fec0::/10", "ff00::/8"),
        "168.63.129.16/32",  # Azure's own services, on every machine of it
    )
)
# IPv6 addresses with an IPv4 address inside them, which is where the packets go: (network, bits right of it).
_CARRIERS = (
    (ip_network("::ffff:0:0/96"), 0),  # mapped
    (ip_network("::ffff:0:0:0/96"), 0),  # translated, RFC 2765
    (ip_network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ip_network("2002::/16"), 80),  # 6to4
)


def is_public(address: str) -> bool:
    """Tell whether an address is one that anybody in the world may reach. What is no address is not."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    inside = _carried(found) if isinstance(found, IPv6Address) else None
    if inside is not None:
        return is_public(str(inside))
    return found.is_global and not any(found.version == net.version and found in net for net in _NEVER)


def _carried(address: IPv6Address) -> IPv4Address | None:
    for network, shift in _CARRIERS:
        if address in network:
            return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return None


def check_public(host: str, port: int, addresses: tuple[str, ...], private: frozenset[str]) -> None:
    """Raise a ToolError unless every address of a host may be connected to; `private` holds those allowed all the same.

    One that is not public is enough to refuse: the order in which addresses come is not ours.
    """
    if not addresses:
        raise ToolError(f"{host} has no address.")
    for each in addresses:
        if not is_public(each) and place(each, port) not in private:
            raise ToolError(
                f"{host} leads to an address that is not public. Only hosts on the public internet are allowed."
            )


def place(address: str, port: int) -> str:
    """Return an address and port as one text; IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
