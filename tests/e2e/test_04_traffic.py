"""What may reach a guest, what a guest may reach, and what it may say it is."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import WEB_PORT
from tests.fixtures import e2e_guest, e2e_probe
from tests.fixtures.e2e_cloud import OUTSIDE, OUTSIDE_ADDRESS, UPLINK_ADDRESS, Cloud, host, note_time
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root]

RULE_S = 10.0  # 2 s on a quiet machine; the time is printed
GATEWAY = "10.88.0.1"


@pytest.fixture(scope="module")
def web(pair: tuple[Guest, Guest]) -> Guest:
    """web-1, with an echo service that the group `web` does not let in."""
    pair[0].ssh(f"nc -ll -p {WEB_PORT} -e cat >/dev/null 2>&1 </dev/null &")
    until(lambda: f":{WEB_PORT:04X} " in pair[0].ssh("cat /proc/net/tcp /proc/net/tcp6"), "echo", deadline_s=10)
    return pair[0]


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """The outside namespace, with a route to the guests: their operator routes the range here."""
    host("ip", "-n", OUTSIDE, "route", "add", "10.88.0.0/24", "via", UPLINK_ADDRESS)
    yield OUTSIDE
    host("ip", "-n", OUTSIDE, "route", "del", "10.88.0.0/24")


def open_port(cloud: Cloud, **remote: str) -> str:
    """A rule of the group `web` for the echo service; its id."""
    network = cloud.sdk().network
    rule = network.create_security_group_rule(
        security_group_id=group_id(cloud), direction="ingress", ethertype="IPv4", protocol="tcp",
        port_range_min=WEB_PORT, port_range_max=WEB_PORT, **remote,
    )  # fmt: skip
    return str(rule.id)


def group_id(cloud: Cloud) -> str:
    return str(cloud.sdk().network.find_security_group("web", ignore_missing=False).id)


@pytest.mark.parametrize("where", ["", OUTSIDE], ids=["from the node", "from outside"])
def test_a_rule_opens_a_port_and_its_end_closes_it(cloud: Cloud, web: Guest, outside: str, where: str) -> None:
    assert e2e_probe.answers(web.address, 22, namespace=where, timeout_s=5)
    assert not e2e_probe.answers(web.address, WEB_PORT, namespace=where)
    rule_id = open_port(cloud)
    begun = time.monotonic()
    connection = until(
        lambda: e2e_probe.connect(web.address, WEB_PORT, namespace=where, timeout_s=0.3),
        "the opened port", deadline_s=RULE_S, every_s=0.02,
    )  # fmt: skip
    opened = time.monotonic() - begun
    with connection:
        assert e2e_probe.echoes(connection, b"before", timeout_s=5)
        cloud.sdk().network.delete_security_group_rule(rule_id)
        begun = time.monotonic()
        until(
            lambda: not e2e_probe.echoes(connection, b"after", timeout_s=0.3), "the cut connection",
            deadline_s=RULE_S, every_s=0.02,
        )  # fmt: skip
        note_time("a new rule opens its port", opened)
        note_time("its end cuts the connection", time.monotonic() - begun)
        assert not e2e_probe.echoes(connection, b"cut for good")
    assert not e2e_probe.answers(web.address, WEB_PORT, namespace=where)


def test_guests_talk_only_as_their_groups_allow(cloud: Cloud, web: Guest, pair: tuple[Guest, Guest]) -> None:
    other = pair[1]
    call = f"echo hello | timeout 3 nc -w 2 {web.address} {WEB_PORT}"
    assert other.try_ssh(call).stdout == ""
    rule_id = open_port(cloud, remote_group_id=group_id(cloud))
    until(lambda: other.try_ssh(call).stdout == "hello\n", "the group's own guests", deadline_s=RULE_S)
    assert not e2e_probe.answers(web.address, WEB_PORT), "the rule is for the group's guests only"
    cloud.sdk().network.delete_security_group_rule(rule_id)
    until(lambda: other.try_ssh(call).stdout == "", "the rule's end", deadline_s=RULE_S)


def test_guests_reach_the_outside_by_the_nodes_address(pair: tuple[Guest, Guest]) -> None:
    with e2e_probe.web_server(8080, namespace=OUTSIDE):
        seen = pair[1].ssh(f"timeout 10 wget -q -O - http://{OUTSIDE_ADDRESS}:8080/")
    assert seen == UPLINK_ADDRESS


def test_guests_reach_no_service_of_the_node(pair: tuple[Guest, Guest]) -> None:
    with e2e_probe.web_server(9999):
        assert e2e_probe.answers("127.0.0.1", 9999)
        for address in (GATEWAY, UPLINK_ADDRESS):
            done = pair[1].try_ssh(f"timeout 3 wget -q -O - http://{address}:9999/")
            assert (done.stdout, done.returncode != 0) == ("", True), address


def echo_requests(guest: Guest) -> int:
    """How many pings have reached a guest."""
    names, values = (line.split() for line in guest.ssh("grep ^Icmp: /proc/net/snmp").splitlines())
    return int(values[names.index("InEchos")])


def test_a_foreign_address_gets_nowhere(pair: tuple[Guest, Guest]) -> None:
    web, other = pair
    before = echo_requests(other)
    web.ssh("ip addr add 10.88.0.251/32 dev eth0")
    assert web.try_ssh(f"timeout 4 ping -c 2 -W 1 -I 10.88.0.251 {other.address}").returncode != 0
    assert web.try_ssh(f"timeout 4 ping -c 2 -W 1 -I 10.88.0.251 {GATEWAY}").returncode != 0
    web.ssh("ip addr del 10.88.0.251/32 dev eth0")
    assert echo_requests(other) == before, "packets with a foreign source came through"
    web.ssh(f"ping -c 2 -W 2 {other.address}")
    assert echo_requests(other) == before + 2


def test_a_foreign_mac_gets_nowhere(pair: tuple[Guest, Guest]) -> None:
    web, other = pair
    web.ssh(f"ping -c 1 -W 2 {other.address}")
    before = echo_requests(other)
    attempt = (
        "ip link set eth0 address 02:00:00:00:00:99; "
        f"timeout 4 ping -c 2 -W 1 {other.address} >/tmp/spoofed 2>&1; echo ended >>/tmp/spoofed; "
        f"ip link set eth0 address {web.mac}"
    )
    web.ssh(f"(sleep 0.3; {attempt}) >/dev/null 2>&1 </dev/null &")
    until(lambda: "ended" in web.try_ssh("cat /tmp/spoofed").stdout, "the attempt", deadline_s=30, every_s=0.5)
    assert echo_requests(other) == before, "frames with a foreign source came through"
    assert "100% packet loss" in web.ssh("cat /tmp/spoofed")
    web.ssh(f"ping -c 1 -W 2 {other.address}")


@pytest.fixture(scope="module")
def inner(cloud: Cloud) -> Iterator[tuple[Guest, str]]:
    """A guest in a network of demo's own behind a router, and its floating address, all made by `openstack`."""
    openstack(
        cloud,
        words("network create inner"),
        words("subnet create --network inner --subnet-range 10.77.0.0/24 inner"),
        words("router create --external-gateway public inner"),
        words("router add subnet inner inner"),
        words("server create --image cumulet-guest --flavor c1.tiny --network inner --key-name demo --wait inner"),
        words("floating ip create public"),
    )
    guest, network = e2e_guest.find(cloud, "inner"), cloud.sdk().network
    (floating,) = network.ips()
    openstack(cloud, words(f"server add floating ip inner {floating.floating_ip_address}"))
    yield dataclasses.replace(guest, address=floating.floating_ip_address), guest.address
    cloud.sdk().delete_server(guest.id, wait=True, timeout=60)
    for each in network.ips():
        network.delete_ip(each)
    openstack(
        cloud,
        words("router remove subnet inner inner"),
        words("router delete inner"),
        words("network delete inner"),
    )


def test_a_guest_behind_a_router_answers_at_its_floating_address(cloud: Cloud, inner: tuple[Guest, str]) -> None:
    guest, fixed = inner
    guest.wait_for_ssh()
    assert f"inet {fixed}/24" in guest.ssh("ip -4 addr show dev eth0")
    addresses = cloud.sdk().compute.get_server(guest.id).addresses["inner"]
    assert [(each["OS-EXT-IPS:type"], each["addr"]) for each in addresses] == [
        ("fixed", fixed), ("floating", guest.address),
    ]  # fmt: skip
    with e2e_probe.web_server(8080, namespace=OUTSIDE):
        assert guest.ssh(f"timeout 10 wget -q -O - http://{OUTSIDE_ADDRESS}:8080/") == UPLINK_ADDRESS
    with e2e_probe.web_server(9999):
        done = guest.try_ssh("timeout 3 wget -q -O - http://172.24.4.1:9999/")
        assert (done.stdout, done.returncode != 0) == ("", True), "the node's own services are not for guests"


def test_a_floating_address_that_is_taken_away_is_silent(cloud: Cloud, inner: tuple[Guest, str]) -> None:
    guest, _ = inner
    connection = e2e_probe.connect(guest.address, 22, timeout_s=5)
    assert connection is not None
    begun = time.monotonic()
    openstack(cloud, words(f"server remove floating ip inner {guest.address}"))
    until(lambda: not e2e_probe.answers(guest.address, 22), "the address' end", deadline_s=RULE_S, every_s=0.05)
    note_time("a floating address taken away", time.monotonic() - begun)
    with connection:
        connection.settimeout(1.0)
        until(lambda: _is_silent(connection), "what was on its way", deadline_s=RULE_S)
        connection.sendall(b"SSH-2.0-probe\r\n")
        assert _is_silent(connection), "the flow that was there lives on"


def _is_silent(connection: socket.socket) -> bool:
    try:
        connection.recv(4096)
    except TimeoutError:
        return True
    return False
