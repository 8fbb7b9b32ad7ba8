"""Fetching from addresses that users give: what is on our own network is out of reach, by whatever way (SSRF-01..04, 07)."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from common.clock import ManualClock, SystemClock
from common.dialler import Dialler, DialPolicy
from common.errors import ConfigError, FetchFailed, TargetRefused

ANY = DialPolicy(hosts=("*",), ports=(80, 443))


@dataclass
class Recorder:
    """Stands for the network: names by a table (the answers of a name in turn), connections to a server on loopback."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    server: tuple[str, int] | None = None
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            try:
                return [str(ipaddress.ip_address(host))]
            except ValueError:
                raise OSError("no such name") from None
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.dialled.append((address, port))
        if self.server is None:
            raise ConnectionRefusedError
        return socket.create_connection(self.server, timeout=timeout_s)


@dataclass
class Server:
    """Answers each connection with the next of `answers`, and keeps what it was sent."""

    answers: list[bytes]
    seen: list[bytes] = field(default_factory=list)
    address: tuple[str, int] = ("", 0)
    finish: threading.Event = field(default_factory=threading.Event)

    def run(self, listener: socket.socket) -> None:
        for answer in self.answers:
            wire, _ = listener.accept()
            with wire:
                self.seen.append(wire.recv(65536))
                wire.sendall(answer)


@pytest.fixture
def serve() -> Iterator[object]:
    opened: list[tuple[socket.socket, threading.Thread]] = []

    def start(*answers: bytes) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(list(answers), address=listener.getsockname())
        thread = threading.Thread(target=server.run, args=(listener,), daemon=True)
        thread.start()
        opened.append((listener, thread))
        return server

    yield start
    for listener, thread in opened:
        listener.close()
        thread.join(5)


def fetch(dialler: Dialler, url: str) -> bytes:
    with dialler.fetch(url, timeout_s=10, idle_s=5) as body:
        parts = []
        while data := body.read():
            parts.append(data)
    return b"".join(parts)


def ok(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data


def to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


LITERALS = [
    "127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.0.0x1", "0", "0.0.0.0",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "192.0.2.1", "198.18.0.1", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[fe80::1]",
    "[fe80::1%25lo]", "[fc00::1]", "[fd00::1]", "[ff02::1]", "[2001:db8::1]", "[2001:0:7f00:1::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", LITERALS)
def test_no_way_of_writing_an_internal_address_opens_a_socket(host: str) -> None:
    network = Recorder()
    dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
    with pytest.raises(TargetRefused):
        fetch(dialler, f"http://{host}/image")
    assert network.dialled == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1%eth0"]
)
def test_a_name_that_leads_inside_is_refused_also_among_others(address: str) -> None:
    for answers in ([address], ["93.184.216.34", address]):
        network = Recorder({"img.example": [answers]})
        dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
        with pytest.raises(TargetRefused):
            fetch(dialler, "http://img.example/")
        assert network.dialled == []


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://img.example/", "gopher://img.example/", "nfs://img.example/x", "http:///etc/passwd",
    "http://user:pw@img.example/", "http://img.example\\@10.0.0.1/", "http://img.example/\r\nHost:x", "http://img.exa mple/",
    "http://img.example:22/", "http://img.example:99999/", "http://img.example:x/", "//img.example/", "img.example", "",
    "http://" + "a" * 3000, "http://é.example/", "http://-a.example/", "http://a..example/", "http://[::1/", "HTTP:/x",
    "http://img.example\tx/", "data:,x", "http://localhost.:5672/",
])  # fmt: skip
def test_what_is_no_plain_web_address_is_refused_before_any_name_is_asked_for(url: str) -> None:
    network = Recorder()
    dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
    with pytest.raises(TargetRefused):
        fetch(dialler, url)
    assert (network.asked, network.dialled) == ([], [])


def test_the_list_of_hosts() -> None:
    policy = DialPolicy.parse(hosts="Img.Example, *.mirror.example", ports="80", internal="", denied="")
    dialler = Dialler(policy, SystemClock(), resolve=Recorder().resolve)
    for url in ("http://img.example/a", "http://IMG.example:80/a?b=c", "http://x.y.mirror.example/"):
        dialler.check(url)
    for url in ("http://mirror.example/", "http://notimg.example/", "http://xmirror.example/", "http://1.1.1.1/"):
        with pytest.raises(TargetRefused, match="not allowed"):
            dialler.check(url)


@pytest.mark.parametrize("wrong", [{"ports": "http"}, {"internal": "10.0.0.1/8"}, {"denied": "all"}])
def test_a_policy_that_can_not_be_read_is_an_error_at_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        DialPolicy.parse(**{"hosts": "*", "ports": "80", "internal": "", "denied": "", **wrong})


def test_exceptions_and_what_is_always_denied() -> None:
    policy = DialPolicy.parse(
        hosts="*", ports="80", internal="10.1.0.0/16, ::1/128", denied="10.1.9.0/24, 93.184.0.0/16"
    )
    for text, admitted in (("10.1.0.1", True), ("::ffff:10.1.0.1", True), ("::1", True), ("10.1.9.1", False),
                           ("93.184.216.34", False), ("::ffff:93.184.216.34", False), ("10.2.0.1", False),
                           ("1.1.1.1", True), ("2606:4700::1", True), ("64:ff9b::101:101", True)):  # fmt: skip
        assert policy.admits(ipaddress.ip_address(text)) is admitted, text


def test_the_address_that_was_judged_is_the_one_that_is_dialled(serve: object) -> None:
    """SSRF-03: the name answers with a public address first, with loopback ever after."""
    server = serve(ok(b"data"))  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"], ["127.0.0.1"]]}, server.address)
    dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
    assert fetch(dialler, "http://img.example/disk?v=1") == b"data"
    assert network.dialled == [("93.184.216.34", 80)]
    assert network.asked == ["img.example"]
    assert server.seen[0].startswith(b"GET /disk?v=1 HTTP/1.1\r\nHost: img.example\r\n")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [
    "http://127.0.0.1/", "http://[::1]/", "//169.254.169.254/latest", "http://inside.example/", "file:///etc/passwd",
    "http://img.example:5672/", "https://10.0.0.1/",
])  # fmt: skip
def test_a_redirect_inside_is_not_followed(serve: object, status: int, location: str) -> None:
    server = serve(to(location, status))  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"]], "inside.example": [["10.0.0.9"]]}, server.address)
    dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
    with pytest.raises(TargetRefused):
        fetch(dialler, "http://img.example/")
    assert network.dialled == [("93.184.216.34", 80)]


def test_redirects_are_followed_three_times_and_carry_nothing_along(serve: object) -> None:
    hops = [to("/b"), to("http://cdn.example/c", 307), to("d")]
    server = serve(*hops, ok(b"x"))  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"]], "cdn.example": [["93.184.216.35"]]}, server.address)
    dialler = Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect)
    assert fetch(dialler, "http://img.example/a") == b"x"
    assert [line.split(b" ")[1] for line in server.seen] == [b"/a", b"/b", b"/c", b"/d"]
    for sent in server.seen:
        assert not any(word in sent.lower() for word in (b"cookie", b"authorization", b"token", b"referer"))
    again = serve(*[to("/")] * 4)  # type: ignore[operator]
    network.server = again.address
    with pytest.raises(FetchFailed, match="redirects"):
        fetch(dialler, "http://img.example/a")


def test_https_never_turns_into_http() -> None:
    dialler = Dialler(ANY, SystemClock())
    with pytest.raises(TargetRefused, match="https to http"):
        dialler._redirected(dialler.check("https://img.example/"), "http://img.example/")


def test_a_page_that_sends_elsewhere_is_just_data(serve: object) -> None:
    page = b'<meta http-equiv="refresh" content="0; url=http://127.0.0.1/">'
    server = serve(ok(page))  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"]]}, server.address)
    assert (
        fetch(Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect), "http://img.example/")
        == page
    )
    assert len(network.dialled) == 1


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", b"SSH-2.0-x\r\n",
    b"HTTP/1.1 302 Found\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
])  # fmt: skip
def test_what_is_no_whole_answer_is_an_error(serve: object, answer: bytes) -> None:
    server = serve(answer)  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"]]}, server.address)
    with pytest.raises(FetchFailed) as caught:
        fetch(Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect), "http://img.example/")
    assert "93.184.216.34" not in caught.value.message


def test_a_body_in_chunks(serve: object) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")  # type: ignore[operator]
    network = Recorder({"img.example": [["93.184.216.34"]]}, server.address)
    assert (
        fetch(Dialler(ANY, SystemClock(), resolve=network.resolve, connect=network.connect), "http://img.example/")
        == b"abc"
    )


def test_the_deadline_holds_however_the_data_trickle(serve: object) -> None:
    server = serve(ok(b"x" * 1000)[:-1])  # type: ignore[operator]
    clock = ManualClock()
    network = Recorder({"img.example": [["93.184.216.34"]]}, server.address)
    dialler = Dialler(ANY, clock, resolve=network.resolve, connect=network.connect)
    with dialler.fetch("http://img.example/", timeout_s=10, idle_s=5) as body:
        assert body.length == 1000
        assert body.read()
        clock.advance(11)
        with pytest.raises(FetchFailed):
            list(iter(body.read, b""))
