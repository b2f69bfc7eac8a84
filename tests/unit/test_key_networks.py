"""Which networks a key may be bound to, and which addresses are in them."""

import pytest

from gateway.errors import ValidationFailedError
from gateway.keys.networks import MAX_NETWORKS, admits, read_networks, stored_networks


def test_networks_of_both_families_are_kept_in_one_spelling_each_once() -> None:
    networks = read_networks("ip_allowlist", ["10.0.0.0/8", "10.0.0.0/255.0.0.0", "192.0.2.7", "2001:DB8:0::/32"])

    assert [str(network) for network in networks] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
    assert stored_networks([str(network) for network in networks]) == networks


def test_a_mapped_network_is_the_ipv4_network_it_stands_for() -> None:
    assert [str(network) for network in read_networks("f", ["::ffff:10.0.0.0/104"])] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    "text", ["", "x", "10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/32", "fe80::1%eth0", "fe80::%eth0/64", "10.0.0", "1"]
)
def test_what_is_no_network_is_refused_by_its_place_alone(text: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        read_networks("ip_allowlist", ["192.0.2.0/24", text])

    assert refused.value.param == "ip_allowlist[1]"
    assert len(text) < 3 or text not in refused.value.text


def test_there_is_a_most_of_networks() -> None:
    read_networks("f", [f"10.0.{number}.0/24" for number in range(MAX_NETWORKS)])
    with pytest.raises(ValidationFailedError):
        read_networks("f", [f"10.0.{number}.0/24" for number in range(MAX_NETWORKS + 1)])


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("::ffff:192.0.2.1", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unix:", False),
        ("", False),
        (None, False),
    ],
)
def test_an_address_is_admitted_by_a_network_that_holds_it(address: str | None, admitted: bool) -> None:
    assert admits(read_networks("f", ["192.0.2.0/24", "2001:db8::/32"]), address) is admitted


def test_no_networks_admit_every_address_even_an_unknown_one() -> None:
    assert admits((), None)
