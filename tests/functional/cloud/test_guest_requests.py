"""What is asked of a guest or of its addresses and answered at once: passwords, memory dumps, fixed and floating addresses."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from common.db.models import Image, Operation
from tests.fixtures.cloud import COMPUTE, NETWORK, Cloud

AGENT = {"hw_qemu_guest_agent": "yes", "os_admin_user": "fred"}


def old_act(cloud: Cloud, server_id: str, name: str, value: Any, microversion: str = "2.43") -> TestResponse:
    headers = {"OpenStack-API-Version": f"compute {microversion}"}
    return cloud.api.post(f"{COMPUTE}/servers/{server_id}/action", headers=headers, json={name: value})


def said(reply: TestResponse) -> tuple[int, str]:
    [body] = reply.json.values()
    return reply.status_code, body["message"]


def test_the_agent_in_the_guest_sets_the_password_and_nothing_keeps_it(cloud: Cloud) -> None:
    with cloud.db.write() as session:
        session.execute(sa.update(Image).values(properties=AGENT))
    server_id = cloud.active()
    cloud.ok(cloud.act(server_id, "changePassword", {"adminPass": "a secret of mine"}))
    node = cloud.node_of(server_id)
    assert node.domains()[server_id]["password_of"] == "fred"
    with cloud.db.read() as session:
        assert "secret of mine" not in str([row.params for row in session.scalars(sa.select(Operation))])
    for path in node.state_dir.rglob("*"):
        assert not path.is_file() or b"secret of mine" not in path.read_bytes(), path


def test_without_an_agent_a_password_is_refused(cloud: Cloud) -> None:
    server_id = cloud.active()
    status, message = said(cloud.act(server_id, "changePassword", {"adminPass": "x"}))
    assert (status, "no agent answers" in message) == (409, True)
    cloud.do(server_id, "os-stop")
    assert cloud.act(server_id, "changePassword", {"adminPass": "x"}).status_code == 409


def test_a_dump_is_an_interrupt_that_the_guest_gets(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert old_act(cloud, server_id, "trigger_crash_dump", None, "2.16").status_code == 400
    cloud.ok(cloud.act(server_id, "trigger_crash_dump"))
    cloud.do(server_id, "pause")
    cloud.ok(cloud.act(server_id, "trigger_crash_dump"))
    assert cloud.node_of(server_id).domains()[server_id]["nmis"] == 2
    cloud.ok(cloud.act(server_id, "lock"))
    assert said(cloud.act(server_id, "trigger_crash_dump")) == (409, f"Instance {server_id} is locked")


def addresses(cloud: Cloud, server_id: str) -> list[str]:
    return [each["addr"] for each in cloud.show(server_id)["addresses"]["shared"]]


def test_a_server_gets_one_more_address_and_gives_it_back(cloud: Cloud) -> None:
    server_id = cloud.active()
    before = addresses(cloud, server_id)
    cloud.ok(old_act(cloud, server_id, "addFixedIp", {"networkId": cloud.network_id}))
    cloud.run_until_idle()
    [new] = set(addresses(cloud, server_id)) - set(before)
    cloud.assert_sound()  # its node knows of it
    cloud.ok(old_act(cloud, server_id, "removeFixedIp", {"address": new}))
    cloud.run_until_idle()
    assert addresses(cloud, server_id) == before
    assert old_act(cloud, server_id, "removeFixedIp", {"address": new}).status_code == 400
    assert old_act(cloud, server_id, "addFixedIp", {"networkId": cloud.network_id}, "2.44").status_code == 400


def outside(cloud: Cloud) -> str:
    """A floating address of a network outside, to which a router leads."""

    def made(path: str, noun: str, body: dict[str, Any], as_: str = "admin") -> dict[str, Any]:
        answer: dict[str, Any] = cloud.ok(cloud.api.post(f"{NETWORK}/{path}", as_, json={noun: body}))[noun]
        return answer

    network_id = made("networks", "network", {"name": "out", "router:external": True})["id"]
    made("subnets", "subnet", {"network_id": network_id, "cidr": "192.0.2.0/24", "ip_version": 4})
    router = made("routers", "router", {"name": "r", "external_gateway_info": {"network_id": network_id}})
    [subnet] = cloud.ok(cloud.api.get(f"{NETWORK}/subnets?network_id={cloud.network_id}"))["subnets"]
    interface = {"subnet_id": subnet["id"]}
    cloud.ok(cloud.api.put(f"{NETWORK}/routers/{router['id']}/add_router_interface", "admin", json=interface))
    return str(made("floatingips", "floatingip", {"floating_network_id": network_id}, "demo")["floating_ip_address"])


def test_a_floating_address_leads_to_a_server_until_it_is_taken_away(cloud: Cloud) -> None:
    server_id, other_id, floating = cloud.active(), cloud.active(), outside(cloud)
    assert old_act(cloud, server_id, "removeFloatingIp", {"address": floating}).status_code == 409
    cloud.ok(old_act(cloud, server_id, "addFloatingIp", {"address": floating}))
    cloud.run_until_idle()
    assert floating in addresses(cloud, server_id)
    assert old_act(cloud, other_id, "removeFloatingIp", {"address": floating}).status_code == 409
    cloud.ok(old_act(cloud, server_id, "removeFloatingIp", {"address": floating}))
    cloud.run_until_idle()
    assert floating not in addresses(cloud, server_id)
    assert old_act(cloud, server_id, "addFloatingIp", {"address": "192.0.2.250"}).status_code == 404
    wrong = {"address": floating, "fixed_address": "10.88.0.250"}
    assert old_act(cloud, server_id, "addFloatingIp", wrong).status_code == 400
    cloud.delete(server_id, other_id)
