"""Gratuitous ARP: tells a segment behind which device an IPv4 address now is, so that nobody sends to where it was.

Said once more at each of the next looks: a node that heard of a change later than this one drops the first.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from common.errors import NetworkingError
from common.log import event
from compute_agent.networking import namespaces

logger = logging.getLogger(__name__)
REPEATS = 3

_BROADCAST = b"\xff" * 6
_ARP = 0x0806
_HEAD = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)  # Ethernet, IPv4, request


def frame(mac: str, address: str) -> bytes:
    """A request in which sender and target are the same address, as RFC 5944 describes it."""
    own, ip = bytes.fromhex(mac.replace(":", "")), ipaddress.IPv4Address(address).packed
    return _BROADCAST + own + struct.pack("!H", _ARP) + _HEAD + own + ip + bytes(6) + ip


def announce(device: str, mac: str, addresses: Iterable[str]) -> None:
    """Say of these IPv4 addresses, in the namespace of the calling thread, that they are here."""
    frames = [frame(mac, address) for address in addresses if ":" not in address]
    if not frames:
        return
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as sending:
            sending.bind((device, 0))
            for each in frames:
                sending.send(each)
    except OSError as err:
        raise NetworkingError(f"addresses of {device} can't be announced", detail=str(err)) from err


@dataclass(frozen=True)
class Told:
    """What is announced: addresses of a device with this MAC, in a namespace ("": of the calling thread)."""

    namespace: str
    device: str
    mac: str
    addresses: tuple[str, ...]


class Announcements:
    """Not safe for threads: LinuxNetworking holds a lock around each call. A failure is logged and changes nothing:
    neighbours ask again by themselves, only later.
    """

    def __init__(self) -> None:
        self._left: dict[Told, int] = {}

    def say(self, what: Told) -> None:
        """Now, and again at the next looks."""
        if what.addresses:
            self._left[what] = REPEATS
            self._send(what)

    def repeat(self) -> None:
        """What was said lately, once more."""
        for what, left in list(self._left.items()):
            if left == 1:
                del self._left[what]
            else:
                self._left[what] = left - 1
            self._send(what)

    def _send(self, what: Told) -> None:
        try:
            if what.namespace:
                namespaces.call_in(what.namespace, lambda: announce(what.device, what.mac, what.addresses))
            else:
                announce(what.device, what.mac, what.addresses)
        except NetworkingError as err:
            self._left.pop(what, None)
            event(logger, "networking.announce_failed", logging.WARNING, device=what.device, reason=err.detail)
