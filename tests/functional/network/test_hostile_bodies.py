"""Whatever a client sends, the answer is Neutron's error form and never a 500: every attribute with every odd value."""

from __future__ import annotations

from typing import Any

import pytest

from api.network.resource import Resource
from api.network.schemas.networks import NETWORK
from api.network.schemas.ports import PORT
from api.network.schemas.security_groups import SECURITY_GROUP, SECURITY_GROUP_RULE
from api.network.schemas.subnets import SUBNET
from tests.functional.network.conftest import ROOT, NetworkClient

pytestmark = pytest.mark.slow

ODD: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, "", " ", "x", "\x00", "\n", "a" * 70000, "10.0.0.1", "10.0.0.0/8", "::", "fe80::1%eth0",
    "1/1", [], [None], [[]], [{}], ["x"], [{"ip_address": "x"}], [{"subnet_id": "x"}], [{"start": "::", "end": "10.0.0.1"}],
    [{"destination": "x", "nexthop": "10.0.0.1"}], {}, {"a": "b"}, "00000000-0000-0000-0000-000000000000",
]  # fmt: skip
QUERIES = ["limit=1&marker=%00", "name=%00", "mtu=99999999999", "created_at=x", "fixed_ips=%00", "fixed_ips=x", "id=" + "x" * 300,
           "sort_key=%00", "fields=%00", "page_reverse=x&limit=1", "marker=x"]  # fmt: skip


def _base(net: NetworkClient, resource: Resource) -> dict[str, Any]:
    if resource is SUBNET:
        return {"network_id": net.network()["id"], "ip_version": 4, "cidr": "10.7.0.0/24"}
    if resource is PORT:
        network = net.network()
        net.subnet(network["id"])
        return {"network_id": network["id"]}
    if resource is SECURITY_GROUP_RULE:
        return {"security_group_id": net.group()["id"], "direction": "ingress"}
    return {}


@pytest.mark.parametrize(
    "resource", [NETWORK, SUBNET, PORT, SECURITY_GROUP, SECURITY_GROUP_RULE], ids=lambda each: each.singular
)
@pytest.mark.parametrize("part", [3, pytest.param(1, marks=pytest.mark.full)], ids=["a_third", "all"])
def test_odd_values(net: NetworkClient, resource: Resource, part: int) -> None:
    """part: of the odd values of each property this fraction, another one for each."""
    net.put(f"/quotas/{net.api.project_id('admin')}", {"quota": dict.fromkeys(
        ("network", "subnet", "port", "security_group", "security_group_rule"), -1)}, "admin")  # fmt: skip
    base, path = _base(_Admin(net.api), resource), f"{ROOT}/{resource.plural.replace('_', '-')}"
    made = net.api.post(path, "admin", json={resource.singular: base}).json
    assert made is not None
    item = f"{path}/{made[resource.singular]['id']}"
    for place, name in enumerate(sorted(resource.schema_create["properties"])):
        for value in ODD[place % part :: part]:
            body = {resource.singular: {**base, name: value}}
            _sane(net, "POST", path, body)
            _sane(net, "PUT", item, {resource.singular: {name: value}})
    for whole in (None, [], {}, "x", {resource.plural: []}, {resource.plural: [None]}, {resource.singular: None}):
        _sane(net, "POST", path, whole)
    for query in QUERIES:
        _sane(net, "GET", f"{path}?{query}", None)


class _Admin(NetworkClient):
    """The same helpers, as an administrator, who gets furthest."""

    def network(self, as_: str = "admin", **attributes: Any) -> dict[str, Any]:
        return super().network(as_, **attributes)

    def group(self, as_: str = "admin", **attributes: Any) -> dict[str, Any]:
        return super().group(as_, **attributes)

    def subnet(
        self, network_id: str, cidr: str = "10.0.0.0/24", as_: str = "admin", **attributes: Any
    ) -> dict[str, Any]:
        return super().subnet(network_id, cidr, as_, **attributes)


def _sane(net: NetworkClient, method: str, path: str, body: Any) -> None:
    answer = net.api.request(method, path, "admin", json=body)
    assert answer.status_code < 500, f"{method} {path} {str(body)[:200]}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.json is not None
        assert "NeutronError" in answer.json
