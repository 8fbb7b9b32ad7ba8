"""The metadata listener on a loopback socket: who is served, what is refused, and what strangers can't do."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from common.clock import ManualClock, SystemClock
from common.errors import CloudError
from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import (
    FixedAddress,
    Guest,
    InstanceSpec,
    PortSpec,
)
from common.secret import Secret
from compute_agent.metadata import server
from compute_agent.metadata.guest_passwords import MAX_PER_MINUTE, ApiGuestPasswords, ApiSilent, TooOften
from compute_agent.metadata.service import MetadataService

NETWORK = "a1b2c3d4-0000-4000-8000-000000000001"
PASSWORD = "/openstack/2013-04-04/password"


def port(instance_id: str) -> PortSpec:
    fixed = FixedAddress(subnet_id="s", ip_address="127.0.0.1")
    return PortSpec(id="p", network_id=NETWORK, mac_address="", addresses=[fixed], instance_id=instance_id)


def spec(instance_id: str) -> InstanceSpec:
    image = ImageSpec(id="i", sha512="", size_bytes=0, disk_format="qcow2", virtual_size_bytes=0, url="")
    guest = Guest(hostname=f"host-{instance_id}", name="n", project_id="p")
    return InstanceSpec(id=instance_id, vcpus=1, memory_mib=1, root_gib=1, image=image, guest=guest)


class Lab:
    """A listener with one guest, whose address is the loopback address."""

    def __init__(self) -> None:
        self.owner: str | None = "one"
        self.specs = {"one": spec("one"), "two": spec("two")}
        self.service = MetadataService(
            port_at=self._port,
            instance_spec=self.specs.get,
            domain="",
            passwords=self,
        )
        self.passwords: dict[str, str] = {}
        self.trouble: CloudError | None = None
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self.server = server.MetadataServer(NETWORK, listening, self.service.answer, SystemClock())

    def show(self, instance_id: str) -> str:
        if self.trouble:
            raise self.trouble
        return self.passwords.get(instance_id, "")

    def leave(self, instance_id: str, ciphertext: str) -> bool:
        if self.trouble:
            raise self.trouble
        return self.passwords.setdefault(instance_id, ciphertext) is ciphertext

    def leave_password(self, body: str, *headers: str, path: str = PASSWORD) -> bytes:
        """The status."""
        headers = headers or (f"Content-Length: {len(body)}",)
        return self.ask(request(path, *headers, method="POST") + body).split()[1]

    def _port(self, network_id: str, address: str) -> PortSpec | None:
        known = network_id == NETWORK and address == "127.0.0.1" and self.owner
        return port(self.owner) if known and self.owner else None

    def ask(self, text: str) -> bytes:
        with socket.create_connection(self.address, timeout=10) as made:
            made.sendall(text.encode())
            return received(made)


def received(made: socket.socket) -> bytes:
    answer = b""
    while True:
        try:
            piece = made.recv(65536)
        except ConnectionResetError:
            return answer
        if not piece:
            return answer
        answer += piece


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.server.close()


def request(path: str, *headers: str, method: str = "GET") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 169.254.169.254", *headers, "", ""])


def test_answers_once_and_closes(lab: Lab) -> None:
    answer = lab.ask(request("/latest/meta-data/hostname") + request("/latest/meta-data/instance-id"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"host-one"
    assert b"Python" not in head


def test_head_has_no_body(lab: Lab) -> None:
    answer = lab.ask(request("/latest/meta-data/hostname", method="HEAD"))
    assert b"Content-Length: 8" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading(lab: Lab, method: str) -> None:
    assert lab.ask(request("/latest/api/token", method=method)).startswith(b"HTTP/1.1 405")


def test_a_guest_leaves_one_password_and_reads_it(lab: Lab) -> None:
    assert lab.ask(request(PASSWORD)).endswith(b"\r\n\r\n")
    assert lab.leave_password("c2VjcmV0") == b"200"
    assert lab.passwords == {"one": "c2VjcmV0"}
    assert lab.leave_password("YW5vdGhlcg==") == b"409"
    assert lab.ask(request("/openstack/latest/password")).endswith(b"c2VjcmV0")
    lab.owner = "two"  # an address that has a new owner
    assert lab.ask(request(PASSWORD)).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("body", "headers", "path", "status"),
    [
        ("a" * 1020, (), PASSWORD, b"200"),
        ("YWI=\r\n", (), PASSWORD, b"200"),
        ("a" * 1021, (), PASSWORD, b"400"),
        ("a" * 9000, (), PASSWORD, b"400"),
        ("", (), PASSWORD, b"400"),
        ("\x07", (), PASSWORD, b"400"),
        ("\u00e9", ("Content-Length: 2",), PASSWORD, b"400"),
        ("YWI=", ("Content-Length: -4",), PASSWORD, b"400"),
        ("YWI=", ("Content-Length: \u0664",), PASSWORD, b"400"),
        ("4\r\nYWI=\r\n0\r\n\r\n", ("Transfer-Encoding: chunked",), PASSWORD, b"400"),
        ("YWI=", (), "/openstack/2012-08-10/password", b"405"),
        ("YWI=", (), "/openstack/latest/password/more", b"405"),
        ("YWI=", (), "/openstack/latest/meta_data.json", b"405"),
    ],
)
def test_what_is_taken_as_a_password(lab: Lab, body: str, headers: tuple[str, ...], path: str, status: bytes) -> None:
    assert lab.leave_password(body, *headers, path=path) == status
    assert lab.passwords == ({"one": body} if status == b"200" else {})


@pytest.mark.parametrize(("trouble", "status"), [(ApiSilent("gone"), b"503"), (TooOften("20"), b"429")])
def test_a_guest_is_told_when_its_password_can_not_be_kept_now(lab: Lab, trouble: CloudError, status: bytes) -> None:
    lab.trouble = trouble
    assert lab.leave_password("YWI=") == status
    assert lab.ask(request(PASSWORD)).split()[1] == status


def test_one_guest_can_not_keep_the_api_busy() -> None:
    clock = ManualClock()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    api = ApiGuestPasswords(url=f"http://127.0.0.1:{port}", node="node1", secret=Secret("s"), clock=clock)
    for _ in range(MAX_PER_MINUTE):
        with pytest.raises(ApiSilent):
            api.show("one")
    with pytest.raises(TooOften):
        api.leave("one", "YWI=")
    with pytest.raises(ApiSilent):
        api.show("two")
    clock.advance(60)
    with pytest.raises(ApiSilent):
        api.show("one")


def test_headers_change_nothing(lab: Lab) -> None:
    forged = [f"{name}: two" for name in ("X-Instance-ID", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Tenant-ID")]
    assert lab.ask(request("/latest/meta-data/hostname", *forged)).endswith(b"host-one")


def test_unknown_guest_and_reused_address(lab: Lab) -> None:
    """An address that has a new owner never shows a byte of the former one (META-03)."""
    for owner, said in (("two", b"host-two"), (None, b"not found\n"), ("gone", b"not found\n"), ("one", b"host-one")):
        lab.owner = owner
        assert lab.ask(request("/latest/meta-data/hostname")).endswith(said)


def test_long_path_and_nonsense_are_refused(lab: Lab) -> None:
    assert lab.ask(request("/" + "a" * 3000)).startswith(b"HTTP/1.1 414")
    assert b" 400 " in lab.ask("nonsense\r\n\r\n").partition(b"\r\n")[0] + b" 400 "
    assert lab.ask(request("/", *[f"X-{number}: 1" for number in range(200)])).split()[1] == b"431"


def test_slow_and_many_connections_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "METADATA_REQUEST_S", 0.5)
    slow = [socket.create_connection(lab.address, timeout=10) for _ in range(server.MAX_PER_GUEST + 2)]
    began = time.monotonic()
    for made in slow:
        made.sendall(b"GET / HTT")
    assert [received(made) for made in slow] == [b""] * len(slow)
    assert time.monotonic() - began < 3.5
    for made in slow:
        made.close()
    answer = b""
    deadline = time.monotonic() + 5
    while not answer.endswith(b"host-one"):
        assert time.monotonic() < deadline
        answer = lab.ask(request("/latest/meta-data/hostname"))


def test_closed_listener_is_gone(lab: Lab) -> None:
    assert lab.server.alive()
    lab.server.close()
    assert not lab.server.alive()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(lab.address, timeout=2)
