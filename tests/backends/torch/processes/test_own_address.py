"""gloo is told an interface where the host's own name leads to itself only."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from bertkit.backends.torch.processes import own_address
from bertkit.backends.torch.processes.own_address import (
    VARIABLE,
    address_towards,
    choose_interface,
    is_here,
    require_interface,
)


@pytest.fixture
def lan(monkeypatch):
    """A host that others reach at 198.51.100.7, whose name leads to 127.0.0.1."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    seen = {"node2": "198.51.100.7", "node1": "127.0.0.1", "nowhere": ""}
    monkeypatch.setattr(own_address, "address_towards", seen.__getitem__)
    monkeypatch.setattr(own_address, "_interface_of", {"198.51.100.7": "eth7"}.get)
    return monkeypatch


def chosen():
    return os.environ[VARIABLE]


def test_the_interface_that_leads_to_another_host_is_taken(lan, caplog):
    caplog.set_level("INFO")
    choose_interface(["nowhere", "node1"])
    assert chosen() == "", "all are on this host"
    choose_interface(["nowhere", "node1", "node2"])
    assert chosen() == "eth7"
    assert "localhost, leads other hosts to themselves" in caplog.text
    assert "198.51.100.7 (GLOO_SOCKET_IFNAME=eth7)" in caplog.text


def test_what_is_given_or_works_stays(lan):
    lan.setenv(VARIABLE, "ib0")
    choose_interface(["node2"])
    assert chosen() == "ib0"
    lan.setenv(VARIABLE, "")
    lan.setattr(own_address, "_leads_to_itself", lambda: False)
    choose_interface(["node2"])
    assert chosen() == ""


def test_an_interface_that_is_not_there_is_refused(monkeypatch):
    (_, first), *_ = socket.if_nameindex()
    monkeypatch.setenv(VARIABLE, f"{first},nic-of-another")
    with pytest.raises(RuntimeError, match=rf"is nic-of-another, and .* has {first}"):
        require_interface()
    monkeypatch.setenv(VARIABLE, first)
    require_interface()


def test_a_name_without_an_address_is_one_that_leads_nowhere(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "no-such-machine.invalid")
    assert own_address._leads_to_itself()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_addresses_of_this_host():
    assert is_here("127.0.0.1") and not is_here("192.0.2.1") and not is_here("x.invalid")
    assert address_towards("127.0.0.1") == "127.0.0.1"
    assert address_towards("x.invalid") == ""
    assert own_address._interface_of("127.0.0.1") == "lo"
    assert own_address._interface_of("192.0.2.1") == own_address._interface_of("2001:db8::1") == ""
    known = dict(own_address._ipv6_addresses())
    assert all(own_address._interface_of(str(found)) for found in known.values())
