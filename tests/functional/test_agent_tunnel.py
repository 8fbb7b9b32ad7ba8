"""A network over two nodes: guests meet through the tunnel; DHCP, DNS and metadata stay on each guest's own node."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from compute_agent.networking import names
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NETWORK = new_id()
NODE1, NODE2 = f"{TAG}-node1", f"{TAG}-node2"
NODES = {NODE1: "192.0.2.11", NODE2: "192.0.2.12"}
GUESTS = {
    NODE1: Guest(f"{TAG}-e", "eeeeeeee-0000-4000-8000-000000000001", "fa:16:3e:00:01:0e", ("10.66.0.10/24",)),
    NODE2: Guest(f"{TAG}-f", "ffffffff-0000-4000-8000-000000000001", "fa:16:3e:00:01:0f", ("10.66.0.11/24",)),
}
DHCP, GATEWAY = "10.66.0.2", "10.66.0.1"


def state(node: str, *, icmp: bool) -> NetworkState:
    """What one node is told: its own port only."""
    subnet = SubnetSpec(id="s", cidr="10.66.0.0/24", ip_version=4, gateway_ip=GATEWAY, dhcp_ip=DHCP)
    peers = [address for name, address in NODES.items() if name != node]
    guest = GUESTS[node]
    rules = [FilterRule(direction="egress", ethertype="IPv4")]
    rules += [FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")] if icmp else []
    port = PortSpec(
        id=guest.port_id, network_id=NETWORK, mac_address=guest.mac, instance_id=guest.name, rules=rules,
        addresses=[FixedAddress(subnet_id="s", ip_address=guest.ipv4)],
    )  # fmt: skip
    network = NetworkSpec(id=NETWORK, vni=77, mtu=1400, subnets=[subnet], nat=True, peers=peers)
    return NetworkState(version=1 if icmp else 2, networks=[network], ports=[port])


class NodeProcess:
    def __init__(self, name: str, address: str, folder: Path) -> None:
        module = "tests.functional.agent_tunnel_node"
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--propagation", "private",
             sys.executable, "-m", module, str(folder), address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def apply(self, wanted: NetworkState) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(wanted) + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"applied\n"

    def end(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, NodeProcess]]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(lab.remove, *NODES)
        _underlay()
        made: dict[str, NodeProcess] = {}
        for name, address in NODES.items():
            (folder / name).mkdir(mode=0o711)
            made[name] = NodeProcess(name, address, folder / name)
            stack.callback(made[name].end)
            made[name].apply(state(name, icmp=True))
            GUESTS[name].plug(names.bridge(NETWORK), node=name)
            GUESTS[name].route(GATEWAY)
            stack.callback(GUESTS[name].unplug)
        yield made


def _underlay() -> None:
    lab.remove(*NODES)
    first, second = NODES
    for name in NODES:
        lab.ip("netns", "add", name)
        lab.ip("-n", name, "link", "set", "lo", "up")
    lab.ip("-n", first, "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", second)
    for name, address in NODES.items():
        lab.ip("-n", name, "addr", "add", f"{address}/24", "dev", "uplink")
        lab.ip("-n", name, "link", "set", "uplink", "up")


def test_guests_of_two_nodes_meet_and_each_is_served_by_its_own(nodes: dict[str, NodeProcess]) -> None:
    one, two = GUESTS.values()
    assert lab.pings(one.name, two.ipv4)
    for name, guest in GUESTS.items():
        lab.ip("-n", guest.name, "route", "replace", "169.254.169.254", "via", DHCP)
        made = lab.connect(guest.name, "169.254.169.254", 80, timeout_s=5)
        assert made is not None
        connection = http.client.HTTPConnection("169.254.169.254")
        connection.sock = made
        connection.request("GET", "/")
        assert connection.getresponse().read().decode() == NODES[name]
        made.close()
        assert lab.pings(guest.name, GATEWAY)


def test_guest_cannot_send_into_the_tunnel_from_outside_it(nodes: dict[str, NodeProcess]) -> None:
    """A guest's own packet to the tunnel port of another node would be taken for a frame of any network (NET-07)."""
    one, two = GUESTS.values()
    listening = two.raw()
    stranger = "02:00:00:00:00:66"
    forged = lab.frame(lab.BROADCAST, stranger, 0x0806, lab.arp(stranger, GATEWAY, GATEWAY, operation=2))
    encapsulated = bytes.fromhex("0800000000004d00") + forged  # VXLAN header of VNI 77
    bridge = lab.frame(
        names.mac_of("bridge", NETWORK), one.mac, 0x0800,
        lab.ipv4_udp(one.ipv4, NODES[NODE2], 5555, 4789, encapsulated),
    )  # fmt: skip
    one.raw().send(bridge)
    assert lab.pings(one.name, two.ipv4)
    assert not any(lab.mac_bytes(stranger) in frame for frame in lab.heard(listening, 0.3))


def test_rules_hold_on_the_receiving_node(nodes: dict[str, NodeProcess]) -> None:
    one, two = GUESTS.values()
    nodes[NODE2].apply(state(NODE2, icmp=False))
    assert not lab.pings(one.name, two.ipv4)
    assert lab.pings(two.name, one.ipv4)
