"""The scan of ports finds what listens, misses what does not, and does not take silence for safety."""

import socket

import pytest

from tests.support.portscan import open_ports


def test_it_finds_what_listens_and_nothing_else() -> None:
    """All ports of an address on loopback: what is gone in the second of two scans is what was closed between them."""
    address = "127.93.0.7"
    with socket.create_server((address, 0)) as first, socket.create_server((address, 65535)):
        opened, during = {first.getsockname()[1], 65535}, open_ports(address)
    # A listener of this host on all addresses is there both times.
    assert during - open_ports(address) == opened


def test_it_tries_only_the_ports_it_is_given() -> None:
    with socket.create_server(("127.93.0.8", 0)) as one:
        port = one.getsockname()[1]
        assert open_ports("127.93.0.8", [port - 1, port]) == {port}
        assert open_ports("127.93.0.8", [port - 1]) == set()


def test_an_address_without_a_route_is_no_clean_scan() -> None:
    """255.255.255.255 takes no TCP connection at all."""
    with pytest.raises(OSError):
        open_ports("255.255.255.255", [22])
