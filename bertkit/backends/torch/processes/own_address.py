"""Where gloo listens on this host: not at an address that leads other hosts to themselves.

gloo takes the address that the host has for its own name. On Debian and its kin that is 127.0.1.1
(/etc/hosts), and where the name is not known at all it takes 127.0.0.1: good for processes of one
host, and out of reach for others. There it is told which interface leads to them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from bertkit import log

VARIABLE = "GLOO_SOCKET_IFNAME"
_GET_ADDRESS = 0x8915  # SIOCGIFADDR of Linux: an interface's IPv4 address
_IPV6 = Path("/proc/net/if_inet6")
_NONE = "127.0.0.1"  # gloo's where the own name has no address
_ANY_PORT = 9  # nothing is sent there


def is_here(host: str) -> bool:
    """Whether a name or an address is one of this host."""
    with contextlib.suppress(OSError):
        for family, kind, _, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with contextlib.suppress(OSError), socket.socket(family, kind) as trial:
                trial.bind(place)
                return True
    return False


def address_towards(host: str) -> str:
    """The address of this host that another one sees; empty where there is no way to it."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)
        for family, kind, _, _, place in found:
            with contextlib.suppress(OSError), socket.socket(family, kind) as trial:
                trial.connect(place)
                return str(trial.getsockname()[0])
    return ""


def choose_interface(others: Iterable[str]) -> None:
    """Tell gloo through which interface other hosts are reached, where it would not find out.

    Args:
        others: names or addresses of hosts that may be this one.
    """
    if os.environ.get(VARIABLE) or not _leads_to_itself():
        return
    for other in others:
        own = address_towards(other)
        if not own or _is_loopback(own) or is_here(other):
            continue
        name = _interface_of(own)
        if name:
            os.environ[VARIABLE] = name
            log.logger.info(
                "this host's name, %s, leads other hosts to themselves (/etc/hosts): they reach it"
                " through %s (%s=%s)", socket.gethostname(), own, VARIABLE, name,
            )  # fmt: skip
            return


def require_interface() -> None:
    """Refuse interfaces that this host has not, where gloo is told some.

    Raises:
        RuntimeError: says which there are.
    """
    here = [name for _, name in socket.if_nameindex()]
    for name in filter(None, os.environ.get(VARIABLE, "").split(",")):
        if name not in here:
            raise RuntimeError(
                f"{VARIABLE} is {name}, and {socket.gethostname()} has {', '.join(here)}"
            )


def where_gloo_listens() -> str:
    """For messages: `node1 knows itself as 10.0.0.1`."""
    host, name = socket.gethostname(), os.environ.get(VARIABLE)
    return f"{VARIABLE} is {name} on {host}" if name else f"{host} knows itself as {_own_address()}"


def _own_address() -> str:
    """The address of this host's own name, if it is there."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), 0, type=socket.SOCK_STREAM)
        return next(filter(is_here, (str(place[0]) for *_, place in found)), _NONE)
    return _NONE


def _leads_to_itself() -> bool:
    """Whether gloo would listen where no other host comes."""
    return _is_loopback(_own_address())


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _interface_of(address: str) -> str:
    """The interface that has an address; empty where none is found."""
    wanted = ipaddress.ip_address(address.partition("%")[0])
    if wanted.version == 6:
        return next((name for name, found in _ipv6_addresses() if found == wanted), "")
    if sys.platform == "win32":  # which has other calls for this
        return ""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(any_socket.fileno(), _GET_ADDRESS, request)
                if answer[20:24] == wanted.packed:
                    return name
    return ""


def _ipv6_addresses() -> list[tuple[str, ipaddress.IPv6Address]]:
    """(interface, address) as Linux lists them."""
    found = []
    with contextlib.suppress(OSError):
        for line in _IPV6.read_text().splitlines():
            digits, *_, name = line.split()
            found.append((name, ipaddress.IPv6Address(bytes.fromhex(digits))))
    return found
