"""Trunks: which ports may carry which, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state, ports, server_ports
from common.db.models import Node, Port
from tests.functional.network.conftest import NetworkClient


def trunk(net: NetworkClient, **attributes: Any) -> dict[str, Any]:
    port = net.port(net.network()["id"])
    made: dict[str, Any] = net.post("/trunks", {"trunk": {"port_id": port["id"], **attributes}})["trunk"]
    return made


def carried(net: NetworkClient, number: int = 2, **network: Any) -> dict[str, Any]:
    port = net.port(net.network(**network)["id"])
    return {"port_id": port["id"], "segmentation_type": "vlan", "segmentation_id": number}


def test_a_trunk_carries_ports(net: NetworkClient) -> None:
    first, second = carried(net, 2), carried(net, 3)
    made = trunk(net, sub_ports=[first])
    path = f"/trunks/{made['id']}"
    assert (made["status"], made["sub_ports"]) == ("DOWN", [first])
    assert net.put(f"{path}/add_subports", {"sub_ports": [second]})["sub_ports"] == [first, second]
    details = net.get(f"/ports/{made['port_id']}")["port"]["trunk_details"]
    assert (details["trunk_id"], [each["segmentation_id"] for each in details["sub_ports"]]) == (made["id"], [2, 3])
    assert all(each["mac_address"] for each in details["sub_ports"])
    net.put(f"{path}/remove_subports", {"sub_ports": [{"port_id": first["port_id"]}]})
    assert net.get(f"{path}/get_subports")["sub_ports"] == [second]
    net.refused(
        "PUT", f"{path}/remove_subports", {"sub_ports": [{"port_id": first["port_id"]}]}, 404, "SubPortNotFound"
    )
    net.delete(path)
    assert "trunk_details" not in net.get(f"/ports/{made['port_id']}")["port"]


class Plugged:
    """A trunk whose parent is a server's port."""

    def __init__(self, net: NetworkClient, node_id: str, instance_id: str, **trunk_too: Any) -> None:
        self.net, self.node_id, self.instance_id = net, node_id, instance_id
        self.made = trunk(net, **trunk_too)
        self.path = f"/trunks/{self.made['id']}"
        parent = self.made["port_id"]
        self.run(lambda s, now: server_ports.adopt(
            s, parent, instance_id=instance_id, nic_order=0, dns_name="", now=now
        ))  # fmt: skip

    def run(self, work: Callable[[Session, datetime], object]) -> None:
        services = self.net.api.services
        services.db.run(lambda session: work(session, services.clock.now()))

    def up(self, *, vlans: bool) -> None:
        self.run(lambda s, _: s.execute(sa.update(Node).values(inventory={"vlans": vlans})))
        self.run(lambda s, now: ports.bind(s, self.instance_id, self.node_id, 1, now))
        self.run(lambda s, now: ports.mark_active(s, self.instance_id, 1, now))

    def down(self) -> None:
        self.run(lambda s, now: ports.release(s, self.instance_id, now))

    def told(self) -> dict[str, tuple[str, int, str]]:
        """What the node is told of subports: parent, tag and server, by port."""
        with self.net.api.services.db.read() as session:
            found = network_state.for_node(session, self.node_id).ports
        return {each.id: (each.trunk_port, each.vlan_id, each.instance_id) for each in found if each.trunk_port}

    def seen(self, port_id: str) -> tuple[str, str, bool]:
        """Of a subport: status, owner, and whether it is on a node."""
        port = self.net.get(f"/ports/{port_id}", "admin")["port"]
        return port["status"], port["device_owner"], bool(port["binding:host_id"])

    @property
    def status(self) -> str:
        return str(self.net.get(self.path)["trunk"]["status"])


def test_subports_are_where_the_parent_is(
    net: NetworkClient, add_node: Callable[[str], str], add_instance: Callable[[str], str]
) -> None:
    first, second = carried(net, 2), carried(net, 3)
    plugged = Plugged(net, add_node("node1"), add_instance("demo"), sub_ports=[first])
    facts = (plugged.made["port_id"], 2, plugged.instance_id)
    plugged.up(vlans=True)
    assert plugged.told() == {first["port_id"]: facts}
    assert (plugged.status, plugged.seen(first["port_id"])) == ("ACTIVE", ("ACTIVE", "trunk:subport", True))
    net.put(f"{plugged.path}/add_subports", {"sub_ports": [second]})
    assert set(plugged.told()) == {first["port_id"], second["port_id"]}
    net.put(f"{plugged.path}/remove_subports", {"sub_ports": [{"port_id": first["port_id"]}]})
    assert set(plugged.told()) == {second["port_id"]}
    assert plugged.seen(first["port_id"]) == ("DOWN", "", False)
    assert net.put(plugged.path, {"trunk": {"admin_state_up": False}})["trunk"]["status"] == "DOWN"
    assert plugged.told() == {}
    assert net.put(plugged.path, {"trunk": {"admin_state_up": True}})["trunk"]["status"] == "ACTIVE"
    for port_id, trunk_status in ((second["port_id"], "ACTIVE"), (plugged.made["port_id"], "DOWN")):
        for up, status in ((False, trunk_status), (True, "ACTIVE")):
            net.put(f"/ports/{port_id}", {"port": {"admin_state_up": up}})
            assert (plugged.status, plugged.seen(second["port_id"])[0]) == (status, "ACTIVE" if up else "DOWN")
    net.refused("DELETE", plugged.path, None, 409, "TrunkInUse")
    plugged.down()
    assert (plugged.status, plugged.told()) == ("DOWN", {})
    assert plugged.seen(second["port_id"]) == ("DOWN", "trunk:subport", False)
    net.delete(plugged.path)
    assert plugged.seen(second["port_id"]) == ("DOWN", "", False)


def test_where_the_kernel_tags_no_frames_a_trunk_is_degraded(
    net: NetworkClient, add_node: Callable[[str], str], add_instance: Callable[[str], str]
) -> None:
    child = carried(net)
    plugged = Plugged(net, add_node("node1"), add_instance("demo"), sub_ports=[child])
    plugged.up(vlans=False)
    assert net.get(f"/ports/{plugged.made['port_id']}")["port"]["status"] == "ACTIVE"
    assert (plugged.status, plugged.seen(child["port_id"])) == ("DEGRADED", ("DOWN", "trunk:subport", True))


def test_a_servers_own_port_outlives_it_in_a_trunk(
    net: NetworkClient, add_node: Callable[[str], str], add_instance: Callable[[str], str]
) -> None:
    plugged = Plugged(net, add_node("node1"), add_instance("demo"))
    plugged.run(lambda s, _: s.execute(sa.update(Port).values(delete_with_instance=True)))
    plugged.down()
    assert net.get(f"/ports/{plugged.made['port_id']}")["port"]["device_id"] == ""


def test_a_port_is_in_one_trunk(net: NetworkClient) -> None:
    child = carried(net)
    made = trunk(net, sub_ports=[child])
    again = {"trunk": {"port_id": made["port_id"]}}
    net.refused("POST", "/trunks", again, 409, "PortInUseAsTrunkParent")
    net.refused("POST", "/trunks", {"trunk": {"port_id": child["port_id"]}}, 409, "PortInUseAsSubPort")
    net.refused("DELETE", f"/ports/{made['port_id']}", None, 409, "PortInUseAsTrunkParent")
    net.refused("DELETE", f"/ports/{child['port_id']}", None, 409, "PortInUseAsSubPort")
    same_id = {"sub_ports": [carried(net, 2)]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", same_id, 409, "DuplicateSubPort")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [({"segmentation_id": None}, "HTTPBadRequest"), ({"segmentation_id": 0}, "InvalidInput"),
     ({"segmentation_id": 4095}, "InvalidInput"), ({"segmentation_type": "gre"}, "InvalidInput")],
)  # fmt: skip
def test_bad_subports_are_refused(net: NetworkClient, attributes: dict[str, Any], kind: str) -> None:
    made, child = trunk(net), carried(net)
    body = {"sub_ports": [{**child, **attributes}]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 400, kind)


def test_what_does_not_fit_or_is_disabled_is_refused(net: NetworkClient) -> None:
    small = net.port(net.network(mtu=1300)["id"])
    made = net.post("/trunks", {"trunk": {"port_id": small["id"]}})["trunk"]
    body = {"sub_ports": [carried(net)]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 409, "SubPortMtuGreaterThanTrunkPortMtu")
    net.put(f"/trunks/{made['id']}", {"trunk": {"admin_state_up": False}})
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 409, "TrunkDisabled")
    net.refused("DELETE", f"/trunks/{made['id']}", None, 409, "TrunkDisabled")
    net.refused("GET", f"/trunks/{made['id']}", None, 404, "TrunkNotFound", "other")


def test_trunks_count_in_the_quota(net: NetworkClient) -> None:
    net.put(f"/quotas/{net.api.project_id('demo')}", {"quota": {"trunk": 1, "force": True}}, "admin")
    made = trunk(net)
    port = net.port(net.network()["id"])
    net.refused("POST", "/trunks", {"trunk": {"port_id": port["id"]}}, 409, "OverQuota")
    net.delete(f"/trunks/{made['id']}")
    trunk(net)
