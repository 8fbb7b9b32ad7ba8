"""A gateway node that dies: its router is up on another within half a minute, for a guest and for the outside."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.fixtures.e2e_cloud import note_time
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]

MOVED_S = 30.0


def _answers(address: str) -> bool:
    asked = subprocess.run(["ping", "-c", "1", "-W", "1", address], capture_output=True, timeout=20, check=False)
    return asked.returncode == 0


def test_a_router_of_a_gateway_node_that_died_is_up_on_another_within_half_a_minute(lab: Lab) -> None:
    lab.lab("node", "add", "--gateway")
    number = max(int(name.removeprefix("node")) for name in lab.status()["nodes"])
    admin, network = lab.sdk("cumulet-admin").network, lab.sdk().network
    public = network.find_network("public", ignore_missing=False)
    inside = network.create_network(name="failing-over")
    subnet = network.create_subnet(network_id=inside.id, ip_version=4, cidr="10.30.0.0/24")
    routers = []
    try:
        while True:  # the gateway node with the fewest routers gets the next
            made = network.create_router(name="failing-over", external_gateway_info={"network_id": public.id})
            routers.append(made)
            agents = admin.get(f"/routers/{made.id}/l3-agents").json()["agents"]
            if [each["host"] for each in agents] == [f"node{number}"]:
                break
            assert len(routers) < 5, "the new gateway node gets no router"
        network.add_interface_to_router(made, subnet_id=subnet.id)
        address = made.external_gateway_info["external_fixed_ips"][0]["ip_address"]
        until(lambda: _answers(address), "the router's address", deadline_s=30)
        lab.lab("node", "crash", str(number))
        begun = time.monotonic()
        assert not _answers(address)
        until(lambda: _answers(address), "the router on another node", deadline_s=MOVED_S)
        note_time("router up elsewhere after its node's death", time.monotonic() - begun)
    finally:
        for router in routers:
            for port in network.ports(device_id=router.id, device_owner="network:router_interface"):
                network.remove_interface_from_router(router, port_id=port.id)
            network.delete_router(router)
        network.delete_network(inside)
        lab.lab("node", "start", str(number))
