"""Gratuitous ARP: tells a segment behind which device an IPv4 address now is, so that nobody sends to where it was."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable

from common.errors import NetworkingError

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
