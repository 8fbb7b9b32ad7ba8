"""A node, guests and an outside world in network namespaces of their own, for tests of the agent's networking.

Guests are namespaces whose device `eth0` is paired with the tap of their port on the node's bridge: to the bridge and
the filters they are what a QEMU guest is. Sockets are opened inside a namespace and used from outside it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from compute_agent.networking import names, namespaces, sysctl

TAG = f"cmlt-{os.getpid()}"  # namespaces are the machine's: two runs side by side must not share them
NODE, OUTSIDE = f"{TAG}-node", f"{TAG}-out"
NODE_ADDRESS, OUTSIDE_ADDRESS = "192.0.2.1", "192.0.2.2"
BROADCAST = "ff:ff:ff:ff:ff:ff"
TEST_ETHERTYPE_MARKER = b"cumulet-marker"


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@dataclass
class Guest:
    """A port's other end: namespace, MAC and the addresses it configures for itself."""

    name: str
    port_id: str
    mac: str
    addresses: tuple[str, ...]
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def tap(self) -> str:
        return names.tap(self.port_id)

    @property
    def ipv4(self) -> str:
        return self.addresses[0].split("/")[0]

    @property
    def ipv6(self) -> str:
        return self.addresses[1].split("/")[0]

    def plug(self, bridge: str, node: str = NODE) -> None:
        """Make the namespace and put the tap on a bridge of the node."""
        remove(self.name)
        ip("netns", "add", self.name)
        ip("-n", node, "link", "add", self.tap, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        namespaces.call_in(self.name, _without_dad)
        ip("-n", self.name, "link", "set", "eth0", "address", self.mac, "up")
        ip("-n", self.name, "link", "set", "lo", "up")
        for address in self.addresses:
            ip("-n", self.name, "addr", "add", address, "dev", "eth0")
        ip("-n", node, "link", "set", self.tap, "master", bridge, "up")

    def route(self, gateway: str) -> None:
        ip("-n", self.name, "route", "replace", "default", "via", gateway)

    def unplug(self) -> None:
        for each in self.sockets:
            each.close()
        self.sockets.clear()
        remove(self.name)

    def listen(self, port: int, *, address: str = "", kind: int = socket.SOCK_STREAM) -> socket.socket:
        made = listen(self.name, address or self.ipv4, port, kind)
        self.sockets.append(made)
        return made

    def raw(self) -> socket.socket:
        """A socket that sends and sees whole frames on eth0."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            made.bind(("eth0", 0))
            return made

        made = namespaces.call_in(self.name, make)
        self.sockets.append(made)
        return made


def listen(namespace: str, address: str, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(16)
        return made

    return namespaces.call_in(namespace, make)


def connect(namespace: str, address: str, port: int, timeout_s: float = 0.7) -> socket.socket | None:
    """A connected TCP socket, or None when nothing answered in time; a refusal is an answer and raises."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(timeout_s)
        try:
            made.connect((address, port))
        except TimeoutError:
            made.close()
            raise
        return made

    try:
        return namespaces.call_in(namespace, make)
    except TimeoutError:
        return None


def reaches(namespace: str, address: str, port: int) -> bool:
    made = connect(namespace, address, port)
    if made is None:
        return False
    made.close()
    return True


def pings(namespace: str, address: str) -> bool:
    tool = ["busybox", "ping6" if ":" in address else "ping", "-c1", "-W1", address]
    done = subprocess.run(["ip", "netns", "exec", namespace, *tool], check=False, capture_output=True)
    return done.returncode == 0


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def frame(target: str, source: str, ethertype: int, body: bytes) -> bytes:
    return mac_bytes(target) + mac_bytes(source) + struct.pack("!H", ethertype) + body


def arp(sender_mac: str, sender: str, target: str, *, operation: int = 1) -> bytes:
    return (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        + mac_bytes(sender_mac) + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)
    )  # fmt: skip


def checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def ipv4_udp(source: str, target: str, sport: int, dport: int, body: bytes) -> bytes:
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    filled = head[:10] + struct.pack("!H", checksum(head + addresses)) + addresses
    return filled + datagram


def ipv6(source: str, target: str, protocol: int, body: bytes) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 255) + ends + body


def icmpv6(source: str, target: str, kind: int, body: bytes) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    message = struct.pack("!BBH", kind, 0, 0) + body
    total = checksum(ends + struct.pack("!II", len(message), 58) + message)
    return ipv6(source, target, 58, message[:2] + struct.pack("!H", total) + message[4:])


def udp6(source: str, target: str, sport: int, dport: int, body: bytes) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body
    total = checksum(ends + struct.pack("!II", len(datagram), 17) + datagram)
    return ipv6(source, target, 17, datagram[:6] + struct.pack("!H", total) + datagram[8:])


def seen_until(listening: socket.socket, wanted: Callable[[bytes], bool], deadline_s: float = 5.0) -> list[bytes]:
    """All frames up to and including the one that is wanted."""
    end = time.monotonic() + deadline_s
    frames = []
    while time.monotonic() < end:
        listening.settimeout(max(0.01, end - time.monotonic()))
        try:
            frames.append(listening.recv(4096))
        except TimeoutError:
            break
        if wanted(frames[-1]):
            return frames
    raise AssertionError(f"the frame waited for did not come; {len(frames)} others did")


def heard(listening: socket.socket, seconds: float) -> list[bytes]:
    """Frames that came in within this time; what the device sent itself is not counted."""
    end = time.monotonic() + seconds
    frames = []
    while time.monotonic() < end:
        listening.settimeout(max(0.01, end - time.monotonic()))
        try:
            body, sender = listening.recvfrom(4096)
        except TimeoutError:
            break
        if sender[2] != socket.PACKET_OUTGOING:
            frames.append(body)
    return frames


def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "a condition did not come true in time"


@contextmanager
def node_and_outside() -> Iterator[None]:
    """Both namespaces, joined; the calling thread is in the node's until the end."""
    remove(NODE, OUTSIDE)
    for name in (NODE, OUTSIDE):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", NODE, "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE)
    for name, device, address in ((NODE, "uplink", NODE_ADDRESS), (OUTSIDE, "eth0", OUTSIDE_ADDRESS)):
        ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
        ip("-n", name, "link", "set", device, "up")
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    node = os.open(namespaces.FOLDER / NODE, os.O_RDONLY)
    try:
        _setns(node)
        yield
    finally:
        _setns(home)
        os.close(home)
        os.close(node)
        remove(NODE, OUTSIDE)


def remove(*namespaces_made: str) -> None:
    """Delete these namespaces, there or not."""
    for name in namespaces_made:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _setns(handle: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _without_dad() -> None:
    """A guest's addresses count at once, as its test has no second to spare, and are only those it was given."""
    for switch, value in (("all/accept_dad", 0), ("eth0/accept_dad", 0), ("eth0/accept_ra", 0)):
        sysctl.ensure(f"ipv6/conf/{switch}", value)
