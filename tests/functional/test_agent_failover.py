"""Gateway nodes that take over from one another, while the former goes on as a node of the network.

The worst case: the other nodes' tunnels have learned that gateway and router are behind the former, and as it stays a
peer, nothing but an announcement tells them otherwise before they forget by themselves, minutes later.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from common.rpc.routers_v1 import RouterInterface, RouterSpec
from compute_agent.networking import names
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import TAG, Guest
from tests.functional.test_agent_tunnel import NodeProcess

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NETWORK, FABRIC = new_id(), f"{TAG}-ofab"
HOME, FORMER, NEXT = f"{TAG}-ohome", f"{TAG}-oformer", f"{TAG}-onext"
NODES = {HOME: "192.0.2.21", FORMER: "192.0.2.22", NEXT: "192.0.2.23"}
ASKING = Guest(f"{TAG}-oa", "abababab-0000-4000-8000-000000000001", "fa:16:3e:00:04:0a", ("10.77.0.10/24",))
STAYING = Guest(f"{TAG}-ob", "cdcdcdcd-0000-4000-8000-000000000001", "fa:16:3e:00:04:0b", ("10.77.0.11/24",))
GUESTS = {HOME: ASKING, FORMER: STAYING}
GATEWAY, ROUTER_ADDRESS = "10.77.0.1", "10.77.0.3"
OUT = FilterRule(direction="egress", ethertype="IPv4")
PING = FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")
ROUTER = RouterSpec(
    id=new_id(),
    interfaces=[
        RouterInterface(
            port_id=new_id(), network_id=NETWORK, mac_address="fa:16:3e:00:04:99", mtu=1400,
            addresses=[f"{ROUTER_ADDRESS}/24"],
        )
    ],
)  # fmt: skip
VERSIONS = iter(range(1, 1000))


def state(node: str, gateway: str, *, without: str = "") -> NetworkState:
    """What a node is told while `gateway` has the way out and the router. without: a node that it does not know yet."""
    subnet = SubnetSpec(id="s", cidr="10.77.0.0/24", ip_version=4, gateway_ip=GATEWAY, dhcp_ip="10.77.0.2")
    network = NetworkSpec(
        id=NETWORK, vni=91, mtu=1400, subnets=[subnet], nat=node == gateway, gateway_elsewhere=node != gateway,
        dhcp_mac="fa:16:3e:00:04:02", peers=[address for name, address in NODES.items() if name not in (node, without)],
        router_macs=[ROUTER.interfaces[0].mac_address],
    )  # fmt: skip
    guest = GUESTS.get(node)
    ports = [] if guest is None else [
        PortSpec(
            id=guest.port_id, network_id=NETWORK, mac_address=guest.mac, instance_id=guest.name, rules=[OUT, PING],
            addresses=[FixedAddress(subnet_id="s", ip_address=guest.ipv4)],
        )
    ]  # fmt: skip
    return NetworkState(
        version=next(VERSIONS), networks=[network], ports=ports, routers=[ROUTER] if node == gateway else []
    )


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, NodeProcess]]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(lab.remove, *NODES, FABRIC)
        lab.remove(*NODES, FABRIC)
        lab.ip("netns", "add", FABRIC)
        lab.ip("-n", FABRIC, "link", "add", "fabric", "type", "bridge")
        lab.ip("-n", FABRIC, "link", "set", "fabric", "up")
        made: dict[str, NodeProcess] = {}
        for number, (name, address) in enumerate(NODES.items()):
            lab.ip("netns", "add", name)
            lab.ip("-n", name, "link", "set", "lo", "up")
            lab.ip("-n", name, "link", "add", "under", "type", "veth", "peer", "name", f"n{number}", "netns", FABRIC)
            lab.ip("-n", FABRIC, "link", "set", f"n{number}", "master", "fabric", "up")
            lab.ip("-n", name, "addr", "add", f"{address}/24", "dev", "under")
            lab.ip("-n", name, "link", "set", "under", "up")
            (folder / name).mkdir(mode=0o711)
            made[name] = NodeProcess(name, address, folder / name)
            stack.callback(made[name].end)
            made[name].apply(state(name, FORMER))
        for name, guest in GUESTS.items():
            guest.plug(names.bridge(NETWORK), node=name)
            stack.callback(guest.unplug)
        yield made


def test_guests_reach_gateway_and_router_where_they_are_now(nodes: dict[str, NodeProcess]) -> None:
    lab.until(lambda: lab.pings(ASKING.name, GATEWAY), deadline_s=10)
    assert lab.pings(ASKING.name, ROUTER_ADDRESS)
    for name in (FORMER, HOME, NEXT):
        nodes[name].apply(state(name, NEXT))
    assert lab.pings(ASKING.name, GATEWAY)
    assert lab.pings(ASKING.name, ROUTER_ADDRESS)


def test_a_node_that_learns_of_the_new_one_late_hears_it_at_the_next_look(nodes: dict[str, NodeProcess]) -> None:
    for name in (FORMER, NEXT, HOME):
        nodes[name].apply(state(name, FORMER))
    lab.until(lambda: lab.pings(ASKING.name, GATEWAY) and lab.pings(ASKING.name, ROUTER_ADDRESS), deadline_s=10)
    nodes[HOME].apply(state(HOME, FORMER, without=NEXT))
    for name in (FORMER, NEXT):
        nodes[name].apply(state(name, NEXT))
    assert not lab.pings(ASKING.name, GATEWAY), "the announcement was heard from a node that is no peer"
    nodes[HOME].apply(state(HOME, NEXT))
    nodes[NEXT].heal()
    assert lab.pings(ASKING.name, GATEWAY)
    assert lab.pings(ASKING.name, ROUTER_ADDRESS)
