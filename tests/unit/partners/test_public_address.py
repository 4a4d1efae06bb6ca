"""Which addresses a postback may go to. Everything but the public internet is refused."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.partners.public_http import AddressInvalid, is_public, parse_url

PRIVATE = (
    *map(str, map(IPv4Address, (0xC0586301, 0xE0000001, 0xEFFFFFFF))),  # a relay of 6to4; multicast
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.8.9.10", "169.254.169.254"),
    *(
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        str(IPv4Address(0xC0586301)),
        "192.168.1.1",
        "198.18.0.1",
    ),
    *(
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        str(IPv4Address(0xE0000001)),
        str(IPv4Address(0xEFFFFFFF)),
        "240.0.0.1",
        "255.255.255.255",
    ),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:808:808", "::ffff:0:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:5ef5:79fb::1"),
    *("100::1", "5f00::1", "fec0::1", "not an address", ""),
)
NAME = "anna"
PUBLIC = (str(IPv4Address(0x08080808)), str(IPv4Address(0x5DB8D70E)), "2606:4700::1111", "2a00:1450:4001:82a::200e")


@pytest.mark.parametrize("address", PRIVATE)
def test_other_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:0:0", "::", "64:ff9b::", "::ffff:0:0:0"]))
def test_no_ipv6_form_of_an_ipv4_address_is_public(number: int, prefix: str) -> None:
    assert not is_public(str(IPv6Address(int(IPv6Address(prefix)) + number)))
    assert not is_public(str(IPv6Address((0x2002 << 112) + (number << 80))))


@given(st.integers(0, 2**32 - 1))
def test_no_address_that_python_calls_special_is_public(number: int) -> None:
    address = IPv4Address(number)
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (special and is_public(str(address)))


@pytest.mark.parametrize(
    "url",
    [
        *("http://tracker.example.com/x", "ftp://tracker.example.com/x", "//tracker.example.com/x"),
        *("https://user@tracker.example.com/", f"https://user:{NAME}@tracker.example.com/", "tracker.example.com"),
        "https://tracker.example.com@10.0.0.1/",
        *("https://127.0.0.1/", f"https://{PUBLIC[0]}/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/"),
        *("https://0x7f.0.0.1/", "https://127.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/"),
        *("https://localhost./", "https://tracker.example.com./", "https://.example.com/", "https://example..com/"),
        *("https://tracker.example.com:8443/", "https://tracker.example.com:0/", "https://tracker.example.com:99999/"),
        *("https://１２７.0.0.1/", "https://ⓔxample.com/", "https://exa\u00admple.com/", "https://bücher.example/"),
        *("https://tracker.example.com\\@10.0.0.1/", "https://tracker.example.com/a b", "https://tracker.example.com/\n"),
        *("https://tracker.example.com/#x", "https://tracker.example.com/\tx", " https://tracker.example.com/", ""),
        *("https://-tracker.example.com/", "https://tracker-.example.com/", "https://tracker.example.123/"),
        "https://tracker.example.com/" + "x" * 8000,
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_url(url)


def test_a_url_is_taken_as_it_is() -> None:
    url = parse_url("https://Tracker.example.com?cid=a%20b&x=1")
    assert (url.host, url.port, url.target) == ("tracker.example.com", 443, "/?cid=a%20b&x=1")
    assert parse_url("https://xn--bcher-kva.example/p").host == "xn--bcher-kva.example"
    assert parse_url("https://tracker.example.com:8443/", port=8443).port == 8443


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://127.0.0.2:80/x", "http://localhost:80/x", "http://10.0.0.1:80/"]
)
def test_the_local_switch_allows_nothing_but_loopback_with_a_port(url: str) -> None:
    assert parse_url("http://127.0.0.1:8080/x", allow_loopback=True).is_loopback
    with pytest.raises(AddressInvalid):
        parse_url(url, allow_loopback=True)
    with pytest.raises(AddressInvalid):
        parse_url("http://127.0.0.1:8080/x")
