"""Consoles by websocket: what comes through, for whom, how often and how long (CON-01 to CON-06)."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from tests.fixtures.cloud import COMPUTE, NEWEST
from tests.functional.console.conftest import WAIT_S, Consoles, read_until


def refused(consoles: Consoles, token: str, origin: str | None = "") -> int:
    return int(refusal(consoles, token, origin).status_code)


def refusal(consoles: Consoles, token: str, origin: str | None = "") -> Response:
    with pytest.raises(InvalidStatus) as caught:
        consoles.open(token, origin)
    return caught.value.response


def closed(socket: Any) -> int:
    """The code with which the service closes what is open."""
    with pytest.raises(ConnectionClosed) as caught:
        read_until(socket, b"what no guest says")
    assert caught.value.rcvd is not None
    return int(caught.value.rcvd.code)


def test_a_serial_console_is_written_to_and_read_from(consoles: Consoles) -> None:
    server_id = consoles.cloud.active()
    with consoles.open(consoles.token(server_id)) as socket:
        assert read_until(socket, b"login: ") == f"fake guest {server_id} login: ".encode()
        socket.send(b"ro")
        socket.send("ot\r")
        assert read_until(socket, b"\r") == b"root\r"


def test_a_screen_speaks_rfb(consoles: Consoles) -> None:
    server_id = consoles.cloud.active()
    with consoles.open(consoles.token(server_id, "novnc")) as socket:
        assert socket.subprotocol == "binary"
        assert read_until(socket, b"\n") == b"RFB 003.008\n"
        socket.send(b"RFB 003.008\n")
        assert read_until(socket, b"\x01\x01") == b"\x01\x01"
        socket.send(b"\x01")
        assert read_until(socket, b"\0\0\0\0") == b"\0\0\0\0"
        socket.send(b"\x01")
        assert read_until(socket, server_id.encode()).startswith(b"\x00\x01\x00\x01")


def test_a_token_is_used_once_and_in_time(consoles: Consoles) -> None:
    cloud = consoles.cloud
    server_id = cloud.active()
    token = consoles.token(server_id)
    with consoles.open(token):
        pass
    answer = refusal(consoles, token)
    assert (answer.status_code, answer.body) == (403, b"")  # words would be taken for the first frame
    late = consoles.token(server_id)
    cloud.clock.advance(consoles.cloud.config.console.token_ttl_s + 1)
    assert refused(consoles, late) == 403
    assert [refused(consoles, each) for each in ("", "x", "x" * 4000)] == [403, 403, 403]


def test_a_token_opens_the_boot_it_was_given_for_and_no_other(consoles: Consoles) -> None:
    cloud = consoles.cloud
    server_id, other_id = cloud.active(), cloud.active(name="other")
    held = [consoles.token(server_id) for _ in range(3)]
    cloud.do(server_id, "reboot", {"type": "HARD"})
    with consoles.open(held[0]) as socket:
        assert closed(socket) == 1013
    cloud.do(server_id, "os-stop")
    assert refused(consoles, held[1]) == 403
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert refused(consoles, held[2]) == 403
    with consoles.open(consoles.token(other_id)) as socket:
        assert other_id in read_until(socket, b"login: ").decode()


def test_a_server_that_is_rescued_resized_or_failed_is_looked_at_while_it_runs(consoles: Consoles) -> None:
    cloud = consoles.cloud
    ways = (
        ("rescue", None, "RESCUE", "unrescue"),
        ("resize", {"flavorRef": "c1.large"}, "VERIFY_RESIZE", "revertResize"),
    )
    for action, said, status, back in ways:
        server_id = cloud.active()
        cloud.do(server_id, action, said)
        assert cloud.status(server_id) == status
        kept = consoles.token(server_id)
        with consoles.open(consoles.token(server_id)) as socket:
            assert read_until(socket, b"login: ") == f"fake guest {server_id} login: ".encode()
        cloud.do(server_id, back)
        with consoles.open(kept) as socket:
            assert closed(socket) == 1013, "it was another boot's"
        cloud.delete(server_id)
        cloud.run_until_idle()
    server_id = cloud.active()
    cloud.ok(cloud.act(server_id, "os-resetState", {"state": "error"}, "admin"))
    with consoles.open(consoles.token(server_id)) as socket:
        read_until(socket, b"login: ")
    cloud.node_of(server_id).hypervisor.ensure_stopped(server_id)
    assert consoles.ask(server_id).status_code == 409, "it does not run"


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "{}.evil.example", "{}0", "https://127.0.0.1"])
def test_a_page_of_another_origin_opens_nothing(consoles: Consoles, origin: str | None) -> None:
    token = consoles.token(consoles.cloud.active())
    assert refused(consoles, token, origin and origin.format(consoles.base)) == 403
    with consoles.open(token):
        pass  # it was not used up


def test_host_headers_widen_nothing(consoles: Consoles) -> None:
    token = consoles.token(consoles.cloud.active())
    for number in range(50):
        request = urllib.request.Request(f"{consoles.base}/healthz", headers={"Host": f"evil{number}.example"})
        with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
            assert reply.status == 200
    assert refused(consoles, token, "http://evil7.example") == 403


@pytest.mark.parametrize("change", ["lock", "delete", "role", "disable"])
def test_a_session_ends_with_what_permitted_it(consoles: Consoles, change: str) -> None:
    cloud = consoles.cloud
    server_id = cloud.active()
    with consoles.open(consoles.token(server_id)) as socket:
        read_until(socket, b"login: ")
        if change == "lock":
            cloud.ok(cloud.act(server_id, "lock"))
        elif change == "delete":
            cloud.delete(server_id)
            cloud.run_until_idle()
        elif change == "role":
            project, user = cloud.api.project_id("demo"), cloud.api.user_id("demo")
            roles = cloud.ok(cloud.api.get("/identity/v3/roles", "admin"))["roles"]
            for role in roles:
                cloud.api.delete(f"/identity/v3/projects/{project}/users/{user}/roles/{role['id']}", "admin")
        else:
            url = f"/identity/v3/users/{cloud.api.user_id('demo')}"
            cloud.ok(cloud.api.patch(url, "admin", json={"user": {"enabled": False}}))
        assert closed(socket) == 1008


def test_the_newest_serial_session_takes_the_place_of_the_one_before(consoles: Consoles) -> None:
    server_id = consoles.cloud.active()
    with consoles.open(consoles.token(server_id)) as first:
        read_until(first, b"login: ")
        with consoles.open(consoles.token(server_id)) as second:
            read_until(second, b"login: ")
            assert closed(first) == 1000
            second.send(b"x")
            assert read_until(second, b"x") == b"x"


def test_no_token_and_no_key_is_logged(consoles: Consoles, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked: list[Any] = []
    ask = consoles.cloud.bus.ask
    consoles.cloud.bus.ask = lambda node, query: (asked.append(query), ask(node, query))[1]  # type: ignore[method-assign]
    token = consoles.token(consoles.cloud.active(), "novnc")
    urllib.request.urlopen(f"{consoles.base}/vnc_lite.html?path=%3Ftoken%3D{token}", timeout=WAIT_S).close()
    with consoles.open(token) as socket:
        read_until(socket, b"\n")
    refused(consoles, token)
    assert len(asked) == 2
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "console.opened" in told
    assert token not in told
    assert asked[1].key not in told


def test_who_is_not_the_node_does_not_come_in_its_place(consoles: Consoles) -> None:
    for path in ("/node/", "/node/x", "/node/../"):
        request = urllib.request.Request(
            f"{consoles.base}{path}",
            headers={"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                     "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Authorization": "Bearer x"},
        )  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=WAIT_S)
        assert caught.value.code == 403


def test_pages(consoles: Consoles) -> None:
    with urllib.request.urlopen(f"{consoles.base}/vnc_lite.html", timeout=WAIT_S) as reply:
        assert b"<title>noVNC" in reply.read()
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
    for path in ("//evil.example", "/%2f%2fevil.example", "/core/../../../etc/passwd", "/core/%2e%2e/x.js", "/core/.x.js",
                 "/core/rfb.js/../../x", "/vendor", "/?next=//evil.example"):  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{consoles.base}{path}", timeout=WAIT_S)
        assert (caught.value.code, caught.value.headers["Location"]) == (404, None)


def test_what_is_refused_and_why(consoles: Consoles) -> None:
    cloud = consoles.cloud
    server_id = cloud.active()
    url = f"{COMPUTE}/servers/{server_id}"

    def asked(protocol: str, kind: str) -> int:
        body = {"remote_console": {"protocol": protocol, "type": kind}}
        return cloud.api.post(f"{url}/remote-consoles", headers=NEWEST, json=body).status_code

    assert [asked("spice", "spice-html5"), asked("rdp", "rdp-html5"), asked("vnc", "serial")] == [400, 400, 400]
    assert [asked("vnc", "novnc"), asked("vnc", "xvpvnc")] == [200, 400]
    old = {"OpenStack-API-Version": "compute 2.5"}
    vnc = cloud.api.post(f"{url}/action", headers=old, json={"os-getVNCConsole": {"type": "novnc"}})
    assert cloud.ok(vnc)["console"]["type"] == "novnc"
    assert "/vnc_lite.html?path=%3Ftoken%3D" in cloud.ok(vnc)["console"]["url"]
    serial = cloud.api.post(f"{url}/action", headers=old, json={"os-getSerialConsole": {"type": "serial"}})
    assert cloud.ok(serial)["console"]["url"].startswith("ws://")
    spice = cloud.api.post(f"{url}/action", headers=old, json={"os-getSPICEConsole": {"type": "spice-html5"}})
    assert spice.status_code == 400
    token = consoles.token(server_id)
    shown = cloud.api.get(f"{COMPUTE}/os-console-auth-tokens/{token}", "admin", headers=NEWEST)
    assert cloud.ok(shown)["console"]["instance_uuid"] == server_id
    assert cloud.api.get(f"{COMPUTE}/os-console-auth-tokens/x", "admin", headers=NEWEST).status_code == 404
    cloud.do(server_id, "os-stop")
    assert asked("serial", "serial") == 409
