"""An external network on a physical interface: the node's bridge joins the wire, and no NAT of the node's is in between."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest

from common.errors import NetworkingError
from compute_agent.networking import names
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import NODE, TAG
from tests.functional.test_agent_routers import (
    FLOATING,
    HOST_ON_PUBLIC,
    NET1,
    NET2,
    ONE,
    ONE_OUTSIDE,
    PUBLIC,
    A,
    C,
    Node,
    network,
    peer_of,
)  # fmt: skip

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]


def test_a_physical_interface_is_part_of_its_network() -> None:
    wire, folder = f"{TAG}-wire", Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)
    lab.remove(wire)
    lab.ip("netns", "add", wire)
    with lab.node_and_outside():
        lab.ip("-n", NODE, "link", "add", "ext0", "type", "veth", "peer", "name", "eth0", "netns", wire)
        lab.ip("-n", wire, "addr", "add", f"{HOST_ON_PUBLIC}/24", "dev", "eth0")
        lab.ip("-n", wire, "link", "set", "eth0", "up")
        made = Node(folder, "physnet1:ext0")
        try:
            made.apply(ONE, public=msgspec.structs.replace(network(PUBLIC), nat=False))
            A.plug(names.bridge(NET1))
            A.route("10.1.0.1")
            C.plug(names.bridge(NET2))
            C.route("10.2.0.1")
            assert peer_of(A.listen(7000), wire, FLOATING, 7000) == HOST_ON_PUBLIC
            with lab.listen(wire, HOST_ON_PUBLIC, 7100) as outside:
                assert peer_of(outside, A.name, HOST_ON_PUBLIC, 7100) == FLOATING
                assert peer_of(outside, C.name, HOST_ON_PUBLIC, 7100) == ONE_OUTSIDE
                without = msgspec.structs.replace(ONE, source_nat=False)
                made.apply(without, public=msgspec.structs.replace(network(PUBLIC), nat=False))
                lab.ip("-n", wire, "route", "add", "10.2.0.0/24", "via", ONE_OUTSIDE)
                assert peer_of(outside, C.name, HOST_ON_PUBLIC, 7100) == C.ipv4
            tagged = msgspec.structs.replace(network(PUBLIC), nat=False, vlan_id=17)
            if not _kernel_has_vlans():
                with pytest.raises(NetworkingError, match="not as they should be"):
                    made.apply(ONE, public=tagged)
        finally:
            made.networking.teardown()
            for guest in (A, C):
                guest.unplug()
            lab.remove(wire)
            shutil.rmtree(folder)


def _kernel_has_vlans() -> bool:
    return Path("/proc/net/vlan").exists()
