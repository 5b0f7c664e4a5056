"""Which addresses the http tools connect to: only those that are anybody's."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import ToolError
from agentkit_tools import http
from agentkit_tools._public import check_public, is_public
from tests.library.web import names

pytestmark = pytest.mark.anyio

PRIVATE = [
    *(
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",  # noqa: S104 - an attack
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
    ),
    *("100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
    ),
    *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "2001::1", "", "localhost", "1.2.3", "2130706433"),
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_private_address_is_reached_by_an_answer_of_a_name_server(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(ToolError, match="not public"):  # one of several is enough to refuse
        check_public("shop.example", 443, ("93.184.216.34", address), frozenset())
    (get,) = http.tools(["*"], network=names(shop_example=[address]))
    with pytest.raises(ToolError, match=r"not public. Only hosts on the public internet|has no address"):
        await get("https://shop.example/")


@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@settings(max_examples=100, deadline=None)
def test_what_is_public_is_never_what_python_calls_private(address: Any) -> None:
    if is_public(str(address)):
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))
    mapped = f"::ffff:{address}" if address.version == 4 else str(address)
    assert is_public(mapped) == is_public(str(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "2a00:1450::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)
