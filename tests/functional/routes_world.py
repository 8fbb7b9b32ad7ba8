"""What the tests that walk all routes need to know: how to make what a path names, and bodies that would be accepted.

A route with a path parameter or a body that is not here fails those tests with a message that says what to add.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from api.app import all_apis
from api.policy import Rule
from api.routing import Api, Route
from common.ids import new_id
from tests.fixtures.cloud import COMPUTE, NETWORK, NEWEST, PUBLIC_KEY, Cloud

IMAGE, IDENTITY, VOLUME = "/image/v2", "/identity/v3", "/volume/v3"
UNKNOWN = "00000000-dead-4bad-8bad-000000000000"


@dataclass(frozen=True)
class Row:
    """One row of the route tables with the API it is in."""

    api: Api
    route: Route

    @property
    def where(self) -> str:
        action = f" {self.route.action}" if self.route.action else ""
        return f"{self.route.method} {self.api.prefix}{self.route.path}{action}"

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.route.path.split("/") if part.startswith("<")]

    @property
    def headers(self) -> dict[str, str]:
        """The microversion at which the route exists, the newest where it always does; the type of its body."""
        found = {"Content-Type": CONTENT_TYPES[self.route.key]} if self.route.key in CONTENT_TYPES else {}
        if self.api.versions:
            newest = self.route.until or self.api.versions.highest
            found["OpenStack-API-Version"] = f"{self.api.versions.service_type} {newest}"
        return found

    def url(self, values: dict[str, str]) -> str:
        path = self.route.path
        for name, value in values.items():
            path = path.replace(f"<{name}>", value)
        return (self.api.prefix + path) or "/"

    def body(self, world: World) -> Any:
        """A body that gets past the schema. Raises KeyError with what to do for a route that has none."""
        if self.route.action:
            return {self.route.action: ACTION_BODIES.get(self.route.action)}
        if self.route.method not in ("POST", "PUT", "PATCH"):
            return None
        if self.route.key not in BODIES:
            raise KeyError(
                f"{self.where}: add a body that the route accepts to BODIES[{self.route.key!r}] in {__name__}"
            )
        made = BODIES[self.route.key]
        return made(world) if callable(made) else made


def rows(*rules: Rule) -> list[Row]:
    """All rows of the route tables, or those with one of these rules."""
    return [Row(api, route) for api in all_apis() for route in api.routes if not rules or route.rule in rules]


PROTECTED = [row for row in rows() if row.route.rule not in (Rule.PUBLIC, Rule.NODE)]
#: what a role in a project is enough for; the rules not named here want a role elsewhere, or an administrator's
RANK = dict.fromkeys(Rule, 4) | {Rule.AUTHENTICATED: 0, Rule.READER: 1, Rule.MEMBER: 2, Rule.MANAGER: 3}
NOT_FOR_PROJECTS = [rule for rule, rank in RANK.items() if rank == 4]


@dataclass
class World:
    """A cloud in which the project `demo` has one of everything; `twin` makes a second parent for nested routes."""

    cloud: Cloud
    ids: dict[str, str] = field(default_factory=dict)
    outside_id: str = ""  # an external network, which everybody sees

    @classmethod
    def furnish(cls, cloud: Cloud) -> World:
        world, api, ok = cls(cloud), cloud.api, cloud.ok
        ids = world.ids
        group = ok(api.post(f"{NETWORK}/security-groups", json={"security_group": {"name": "demo's"}}))
        ids["group_id"] = group["security_group"]["id"]
        rule = {"security_group_rule": {"security_group_id": ids["group_id"], "direction": "ingress"}}
        ids["rule_id"] = ok(api.post(f"{NETWORK}/security-group-rules", json=rule))["security_group_rule"]["id"]
        ids["network_id"] = ok(api.post(f"{NETWORK}/networks", json={"network": {"name": "demo's"}}))["network"]["id"]
        subnet = {"subnet": {"network_id": ids["network_id"], "cidr": "10.7.0.0/24", "ip_version": 4}}
        ids["subnet_id"] = ok(api.post(f"{NETWORK}/subnets", json=subnet))["subnet"]["id"]
        ids["server_id"] = world.server("web", ids["network_id"])
        ids["port_id"] = world.port(ids["server_id"])
        world.furnish_routers()
        ids["free_port_id"] = ok(api.post(f"{NETWORK}/ports", json={"port": {"network_id": ids["network_id"]}}))[
            "port"
        ]["id"]
        actions = ok(api.get(f"{COMPUTE}/servers/{ids['server_id']}/os-instance-actions"))["instanceActions"]
        ids["request_id"] = actions[-1]["request_id"]
        ids["operation_id"] = cloud.operations(ids["server_id"])[0].id
        ids["image_id"] = world.image()
        ids["image_task_id"] = world.image_task()
        flavor = {
            "id": "private",
            "name": "private",
            "vcpus": 1,
            "ram": 64,
            "disk": 1,
            "os-flavor-access:is_public": False,
        }
        ok(api.post(f"{COMPUTE}/flavors", "admin", json={"flavor": flavor}))
        access = {"addTenantAccess": {"tenant": api.project_id("demo")}}
        ok(api.post(f"{COMPUTE}/flavors/private/action", "admin", json=access))
        specs = {"extra_specs": {"hw:cpu_policy": "shared"}}
        ok(api.post(f"{COMPUTE}/flavors/private/os-extra_specs", "admin", json=specs))
        ids.update(flavor_id="private", project_id=api.project_id("demo"), user_id=api.user_id("demo"))
        sg = {"server_group": {"name": "demo's", "policies": ["affinity"]}}
        ids["server_group_id"] = ok(api.post(f"{COMPUTE}/os-server-groups", json=sg))["server_group"]["id"]
        world.furnish_identity()
        world.furnish_metadefs()
        world.furnish_networks()
        world.furnish_volumes()
        world.furnish_volume_records()
        return world

    def furnish_volumes(self) -> None:
        ok, api, ids = self.cloud.ok, self.cloud.api, self.ids
        wish = {"volume": {"name": "demo's", "size": 1, "metadata": {"web": "a value"}}}
        ids["volume_id"] = ok(api.post(f"{VOLUME}/volumes", json=wish))["volume"]["id"]
        spare = ok(api.post(f"{VOLUME}/volumes", json={"volume": {"size": 1}}))["volume"]["id"]
        self.cloud.run_until_idle()
        ids["attached_volume_id"] = self.attached_volume()
        snapshot = {"snapshot": {"volume_id": ids["volume_id"], "metadata": {"web": "a value"}}}
        ids["snapshot_id"] = ok(api.post(f"{VOLUME}/snapshots", json=snapshot))["snapshot"]["id"]
        attachment = {"attachment": {"volume_uuid": spare, "instance_uuid": UNKNOWN}}
        newest = {"OpenStack-API-Version": "volume 3.71"}
        made = ok(api.post(f"{VOLUME}/attachments", json=attachment, headers=newest))
        ids["attachment_id"] = made["attachment"]["id"]
        self.cloud.run_until_idle()
        backup = {"backup": {"volume_id": ids["volume_id"], "metadata": {"web": "a value"}}}
        ids["backup_id"] = ok(api.post(f"{VOLUME}/backups", json=backup, headers=newest))["backup"]["id"]
        self.cloud.run_until_idle()

    def furnish_volume_records(self) -> None:
        """A private type that demo may use, a group with a snapshot, an offer, and a message about a failure."""
        ok, api, ids = self.cloud.ok, self.cloud.api, self.ids
        newest = {"OpenStack-API-Version": "volume 3.71"}

        def make(path: str, noun: str, body: dict[str, Any], as_: str = "demo") -> str:
            return str(ok(api.post(f"{VOLUME}/{path}", as_, headers=newest, json={noun: body}))[noun]["id"])

        more = {"quota_set": {"volumes": 30}}
        ok(api.put(f"{VOLUME}/os-quota-sets/{ids['project_id']}", "admin", json=more))
        private = {"name": "private", "os-volume-type-access:is_public": False}
        specs = {"extra_specs": {"multiattach": "<is> True"}}
        ids["volume_type_id"] = make("types", "volume_type", {**private, **specs}, "admin")
        access = {"addProjectAccess": {"project": ids["project_id"]}}
        ok(api.post(f"{VOLUME}/types/{ids['volume_type_id']}/action", "admin", json=access))
        kind = make("group_types", "group_type", {"name": "kind", "group_specs": {"a": "b"}}, "admin")
        wish = {"name": "demo's", "group_type": kind, "volume_types": [ids["volume_type_id"]]}
        ids["volume_group_id"] = make("groups", "group", wish)
        member = {"size": 1, "volume_type": "private", "group_id": ids["volume_group_id"]}
        make("volumes", "volume", member)
        make("types", "volume_type", {"name": "magic", "extra_specs": {"storage_protocol": "telepathy"}}, "admin")
        make("volumes", "volume", {"size": 1, "volume_type": "magic"})
        offered = make("volumes", "volume", {"size": 1})
        self.cloud.run_until_idle()
        ids["group_snapshot_id"] = make("group_snapshots", "group_snapshot", {"group_id": ids["volume_group_id"]})
        ids["transfer_id"] = make("os-volume-transfer", "transfer", {"volume_id": offered})
        ids["message_id"] = ok(api.get(f"{VOLUME}/messages", headers=newest))["messages"][0]["id"]
        self.cloud.run_until_idle()

    def attached_volume(self) -> str:
        """A volume that the server has: one that came to its node by chance."""
        ok, api = self.cloud.ok, self.cloud.api
        path = f"{COMPUTE}/servers/{self.ids['server_id']}/os-volume_attachments"
        for _ in range(6):
            volume_id = str(ok(api.post(f"{VOLUME}/volumes", json={"volume": {"size": 1}}))["volume"]["id"])
            self.cloud.run_until_idle()
            if api.post(path, json={"volumeAttachment": {"volumeId": volume_id}}).status_code == 200:
                self.cloud.run_until_idle()
                return volume_id
        raise AssertionError("no volume came to the server's node")

    def furnish_routers(self) -> None:
        ok, api, ids = self.cloud.ok, self.cloud.api, self.ids
        outside = {"network": {"name": "outside", "router:external": True, "is_default": True}}
        outside_id = ok(api.post(f"{NETWORK}/networks", "admin", json=outside))["network"]["id"]
        subnet = {"network_id": outside_id, "cidr": "172.24.9.0/24", "ip_version": 4, "enable_dhcp": False}
        ok(api.post(f"{NETWORK}/subnets", "admin", json={"subnet": subnet}))
        router = {"router": {"name": "demo's", "external_gateway_info": {"network_id": outside_id}}}
        ids["router_id"] = ok(api.post(f"{NETWORK}/routers", json=router))["router"]["id"]
        wish = {"floatingip": {"floating_network_id": outside_id}}
        ids["floatingip_id"] = ok(api.post(f"{NETWORK}/floatingips", json=wish))["floatingip"]["id"]
        port = {"port": {"network_id": ids["network_id"], "fixed_ips": [{"ip_address": "10.7.0.99"}]}}
        ids["forwarded_port_id"] = ok(api.post(f"{NETWORK}/ports", json=port))["port"]["id"]
        self.cloud.ok(
            api.put(f"{NETWORK}/routers/{ids['router_id']}/add_router_interface", json={"subnet_id": ids["subnet_id"]})
        )
        forwarding = {"port_forwarding": self.forwarding(22)}
        path = f"{NETWORK}/floatingips/{ids['floatingip_id']}/port_forwardings"
        ids["port_forwarding_id"] = ok(api.post(path, json=forwarding))["port_forwarding"]["id"]
        self.outside_id = outside_id
        helper = {"conntrack_helper": {"helper": "ftp", "protocol": "tcp", "port": 21}}
        path = f"{NETWORK}/routers/{ids['router_id']}/conntrack_helpers"
        ids["conntrack_helper_id"] = ok(api.post(path, json=helper))["conntrack_helper"]["id"]
        ids["ndp_proxy_id"] = self._make_ndp_proxy()
        local = {"local_ip": {"network_id": ids["network_id"]}}
        ids["local_ip_id"] = ok(api.post(f"{NETWORK}/local_ips", json=local))["local_ip"]["id"]
        led = {"port_association": {"fixed_port_id": ids["forwarded_port_id"]}}
        ok(api.post(f"{NETWORK}/local_ips/{ids['local_ip_id']}/port_associations", json=led))

    def _make_ndp_proxy(self) -> str:
        """On a router of its own, in a network of one address scope with the outside."""
        ok, api = self.cloud.ok, self.cloud.api

        def make(path: str, noun: str, persona: str = "demo", **values: Any) -> str:
            return str(ok(api.post(f"{NETWORK}/{path}", persona, json={noun: values}))[noun]["id"])

        scope = make("address-scopes", "address_scope", "admin", name="six", ip_version=6, shared=True)
        pool = make(
            "subnetpools", "subnetpool", "admin", name="six", address_scope_id=scope, default_prefixlen=112,
            prefixes=["2001:db8:9::/96"], shared=True,
        )  # fmt: skip
        outside = make("networks", "network", "admin", **{"router:external": True})
        inside = make("networks", "network", name="six")
        subnets = [
            make("subnets", "subnet", persona, network_id=each, ip_version=6, subnetpool_id=pool)
            for each, persona in ((outside, "admin"), (inside, "demo"))
        ]
        gateway = {"network_id": outside}
        router = make("routers", "router", external_gateway_info=gateway, enable_ndp_proxy=True)
        ok(api.put(f"{NETWORK}/routers/{router}/add_router_interface", json={"subnet_id": subnets[1]}))
        port = make("ports", "port", network_id=inside)
        return make("ndp_proxies", "ndp_proxy", router_id=router, port_id=port)

    def forwarding(self, number: int) -> dict[str, Any]:
        return {
            "protocol": "tcp",
            "external_port": number,
            "internal_port": number,
            "internal_ip_address": "10.7.0.99",
            "internal_port_id": self.ids["forwarded_port_id"],
        }

    def furnish_networks(self) -> None:
        ok, api, ids = self.cloud.ok, self.cloud.api, self.ids
        path = {"rbac_policy": "rbac-policies", "policy": "qos/policies", "subnetpool": "subnetpools"}

        def make(noun: str, body: dict[str, Any], as_: str = "demo") -> str:
            where = path.get(noun, f"{noun.replace('_', '-')}s")
            return str(ok(api.post(f"{NETWORK}/{where}", as_, json={noun: body}))[noun]["id"])

        ids["address_group_id"] = make("address_group", {"name": "demo's", "addresses": ["10.9.0.0/24"]})
        ids["address_scope_id"] = make("address_scope", {"name": "demo's", "ip_version": 4})
        ids["subnetpool_id"] = make("subnetpool", {"name": "demo's", "prefixes": ["10.9.0.0/16"]})
        pool = {"name": "default", "prefixes": ["10.20.0.0/16"], "default_prefixlen": 24, "is_default": True}
        make("subnetpool", pool, "admin")
        target = {"target_tenant": api.project_id("service"), "action": "access_as_shared"}
        ids["rbac_policy_id"] = make(
            "rbac_policy", {**target, "object_type": "address_group", "object_id": ids["address_group_id"]}
        )
        log = {"resource_type": "security_group", "resource_id": ids["group_id"]}
        ids["log_id"] = str(ok(api.post(f"{NETWORK}/log/logs", "admin", json={"log": log}))["log"]["id"])
        ids["qos_policy_id"] = make("policy", {"name": "demo's", "project_id": ids["project_id"]}, "admin")
        rules = f"{NETWORK}/qos/policies/{ids['qos_policy_id']}"
        for kind, rule in (("bandwidth_limit", {"max_kbps": 1000}), ("dscp_marking", {"dscp_mark": 26}),
                           ("packet_rate_limit", {"max_kpps": 1}), ("minimum_bandwidth", {"min_kbps": 1}),
                           ("minimum_packet_rate", {"min_kpps": 1})):  # fmt: skip
            made = ok(api.post(f"{rules}/{kind}_rules", "admin", json={f"{kind}_rule": rule}))
            ids[f"{kind}_rule_id"] = made[f"{kind}_rule"]["id"]
        port = {"port": {"network_id": ids["network_id"]}}
        ids["parent_port_id"] = ok(api.post(f"{NETWORK}/ports", json=port))["port"]["id"]
        ids["trunk_id"] = make("trunk", {"port_id": ids["parent_port_id"]})
        for collection, name in (
            ("networks", "network_id"), ("subnets", "subnet_id"), ("ports", "port_id"),
            ("security-groups", "group_id"), ("security-group-rules", "rule_id"), ("subnetpools", "subnetpool_id"),
            ("address-groups", "address_group_id"), ("trunks", "trunk_id"), ("qos/policies", "qos_policy_id"),
            ("routers", "router_id"), ("floatingips", "floatingip_id"),
        ):  # fmt: skip
            assert api.put(f"{NETWORK}/{collection}/{ids[name]}/tags/t", "admin").status_code == 201

    def furnish_metadefs(self) -> None:
        ok, api = self.cloud.ok, self.cloud.api
        for namespace, tag in (("demo's", "t"), ("twin's", "u")):
            owned = {"namespace": namespace, "owner": self.ids["project_id"], "visibility": "private"}
            ok(api.post(f"{IMAGE}/metadefs/namespaces", "admin", json=owned))
            one = f"{IMAGE}/metadefs/namespaces/{quote(namespace)}"
            for collection, body in (
                ("objects", {"name": tag}),
                ("properties", {"name": tag, "title": "x", "type": "string"}),
                ("resource_types", {"name": tag}),
                (f"tags/{tag}", None),
            ):
                ok(api.post(f"{one}/{collection}", "admin", json=body))

    def furnish_identity(self) -> None:
        ok, api, ids = self.cloud.ok, self.cloud.api, self.ids
        of_user = f"{IDENTITY}/users/{ids['user_id']}"
        group = ok(api.post(f"{IDENTITY}/groups", "admin", json={"group": {"name": "demo's", "domain_id": "default"}}))
        ids["identity_group_id"] = group["group"]["id"]
        assert api.put(f"{IDENTITY}/projects/{ids['project_id']}/tags/t", "admin").status_code == 201
        rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
        asked = {"application_credential": {"name": "demo's", "access_rules": [rule]}}
        made = ok(api.post(f"{of_user}/application_credentials", json=asked))["application_credential"]
        ids["application_credential_id"], ids["access_rule_id"] = made["id"], made["access_rules"][0]["id"]
        stored = {"credential": {"type": "cert", "blob": "demo's"}}
        ids["credential_id"] = ok(api.post(f"{IDENTITY}/credentials", json=stored))["credential"]["id"]
        ec2 = ok(api.post(f"{of_user}/credentials/OS-EC2", json={"tenant_id": ids["project_id"]}))
        ids["access"] = ec2["credential"]["access"]
        given = {
            "trustor_user_id": ids["user_id"], "trustee_user_id": api.user_id("service"), "impersonation": True,
            "project_id": ids["project_id"], "roles": [{"name": "member"}],
        }  # fmt: skip
        ids["trust_id"] = ok(api.post(f"{IDENTITY}/OS-TRUST/trusts", json={"trust": given}))["trust"]["id"]
        place = {
            "service_id": ok(api.get(f"{IDENTITY}/services", "admin"))["services"][0]["id"],
            "resource_name": "web",
        }
        registered = {"registered_limits": [{**place, "default_limit": 1}]}
        api.post(f"{IDENTITY}/registered_limits", "admin", json=registered)  # one for both worlds
        limit = {**place, "resource_limit": 2, "project_id": ids["project_id"]}
        ids["limit_id"] = ok(api.post(f"{IDENTITY}/limits", "admin", json={"limits": [limit]}))["limits"][0]["id"]

    def server(self, name: str, network_id: str) -> str:
        server_id = self.cloud.active(name=name, networks=[{"uuid": network_id}], metadata={name: "a value"})
        tagged = self.cloud.api.put(f"{COMPUTE}/servers/{server_id}/tags/{name}", headers=NEWEST)
        assert tagged.status_code in (201, 204)
        return server_id

    def port(self, server_id: str) -> str:
        found = self.cloud.ok(self.cloud.api.get(f"{NETWORK}/ports", query_string={"device_id": server_id}))
        return str(found["ports"][0]["id"])

    def image(self, member: str = "service", tag: str = "t") -> str:
        ok, api = self.cloud.ok, self.cloud.api
        asked = {
            "name": "demo's",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "shared",
            {"t": "web"}.get(tag, "twin"): "a value",
            "tags": [tag],
        }
        image_id = str(ok(api.post(f"{IMAGE}/images", json=asked))["id"])
        ok(api.put(f"{IMAGE}/images/{image_id}/file", data=b"x" * 512, content_type="application/octet-stream"))
        ok(api.post(f"{IMAGE}/images/{image_id}/members", json={"member": api.project_id(member)}))
        return image_id

    def image_task(self) -> str:
        """An import that nobody works on."""
        ok, api = self.cloud.ok, self.cloud.api
        asked = {"name": "imported", "disk_format": "raw", "container_format": "bare"}
        path = f"{IMAGE}/images/" + str(ok(api.post(f"{IMAGE}/images", json=asked))["id"])
        ok(api.put(f"{path}/stage", data=b"x" * 512, content_type="application/octet-stream"))
        ok(api.post(f"{path}/import", json={"method": {"name": "glance-direct"}}))
        return str(ok(api.get(f"{path}/tasks"))["tasks"][0]["id"])

    @cached_property
    def twin(self) -> World:
        """The same user's second server, image and flavor, as the wrong parents of the first one's children."""
        server_id = self.server("twin", self.cloud.network_id)
        ids = {"server_id": server_id, "image_id": self.image("admin", "u"), "flavor_id": "c1.tiny"}
        ids["namespace"] = "twin's"
        wish = {"floatingip": {"floating_network_id": self.outside_id}}
        made = self.cloud.ok(self.cloud.api.post(f"{NETWORK}/floatingips", json=wish))
        ids["floatingip_id"] = made["floatingip"]["id"]
        router = {"router": {"name": "twin's"}}
        ids["router_id"] = self.cloud.ok(self.cloud.api.post(f"{NETWORK}/routers", json=router))["router"]["id"]
        local = {"local_ip": {"name": "twin's", "network_id": self.ids["network_id"]}}
        ids["local_ip_id"] = self.cloud.ok(self.cloud.api.post(f"{NETWORK}/local_ips", json=local))["local_ip"]["id"]
        policy = {"policy": {"name": "twin's", "project_id": self.ids["project_id"]}}
        ids["policy_id"] = self.cloud.ok(self.cloud.api.post(f"{NETWORK}/qos/policies", "admin", json=policy))[
            "policy"
        ]["id"]
        wish = {"volume": {"name": "twin's", "size": 1, "metadata": {"twin": "a value"}}}
        ids["type_id"] = self.cloud.ok(self.cloud.api.get(f"{VOLUME}/types/default"))["volume_type"]["id"]
        ids["volume_id"] = self.cloud.ok(self.cloud.api.post(f"{VOLUME}/volumes", json=wish))["volume"]["id"]
        self.cloud.run_until_idle()
        snapshot = {"snapshot": {"volume_id": ids["volume_id"], "metadata": {"twin": "a value"}}}
        made = self.cloud.ok(self.cloud.api.post(f"{VOLUME}/snapshots", json=snapshot))
        ids["snapshot_id"] = made["snapshot"]["id"]
        self.cloud.run_until_idle()
        backup = {"backup": {"volume_id": ids["volume_id"], "name": "twin's"}}
        made = self.cloud.ok(self.cloud.api.post(f"{VOLUME}/backups", json=backup))
        ids["backup_id"] = made["backup"]["id"]
        others = {"user_id": self.cloud.api.user_id("other"), "project_id": self.cloud.api.project_id("other")}
        return World(self.cloud, {**ids, **others})


#: What stands in the path of a route: by "api:parameter", else by parameter; a key of World.ids or a function.
VALUES: dict[str, str | Callable[[World], str]] = {
    "server_id": "server_id", "flavor_id": "flavor_id", "network_id": "network_id", "subnet_id": "subnet_id",
    "port_id": "port_id", "group_id": "group_id", "rule_id": "rule_id", "project_id": "project_id",
    "router_id": "router_id", "floatingip_id": "floatingip_id",
    "port_forwarding_id": "port_forwarding_id",
    "ndp_proxy_id": "ndp_proxy_id",
    "local_ip_id": "local_ip_id", "fixed_port_id": "forwarded_port_id",
    "network:log_id": "log_id",
    "conntrack_helper_id": "conntrack_helper_id",
    "user_id": "user_id", "request_id": "request_id", "operation_id": "operation_id", "image_id": "image_id",
    "compute:name": lambda _: "demo", "compute:label": lambda _: "demo's", "compute:tag": lambda _: "web",
    "image:tag": lambda _: "t", "image:member_id": lambda world: world.cloud.api.project_id("service"),
    "compute:server_group_id": "server_group_id",
    "compute:volume_id": "attached_volume_id", "volume_id": "volume_id",
    "snapshot_id": "snapshot_id", "volume:attachment_id": "attachment_id", "identity:domain_id": lambda _: "default",
    "volume:type_id": "volume_type_id", "volume:group_id": "volume_group_id", "group_snapshot_id": "group_snapshot_id",
    "backup_id": "backup_id", "transfer_id": "transfer_id", "message_id": "message_id",
    "identity:group_id": "identity_group_id", "identity:tag": lambda _: "t", "identity:access": "access",

    "address_group_id": "address_group_id", "address_scope_id": "address_scope_id", "subnetpool_id": "subnetpool_id",
    "trunk_id": "trunk_id", "network:tag": lambda _: "t", "network:policy_id": "qos_policy_id",
    "network:rbac_policy_id": "rbac_policy_id", "network:bandwidth_rule_id": "bandwidth_limit_rule_id",
    "network:dscp_rule_id": "dscp_marking_rule_id",
    "network:minimum_bandwidth_rule_id": "minimum_bandwidth_rule_id",
    "network:minimum_packet_rate_rule_id": "minimum_packet_rate_rule_id",
    "network:packet_rate_rule_id": "packet_rate_limit_rule_id", "network:topology_project_id": "project_id",
    "image:namespace": lambda _: "demo's", "image:metadef_name": lambda _: "t",
    "image:store_id": lambda _: "local", "image:task_id": "image_task_id",
    "identity:rule_id": "access_rule_id",
    "identity:application_credential_id": "application_credential_id",
    "identity:credential_id": "credential_id",
    "identity:trust_id": "trust_id", "identity:limit_id": "limit_id",
    "identity:region_id": lambda world: world.cloud.config.cloud.region,
}  # fmt: skip
KEYS = {
    "/extra_specs/": "multiattach",
    "/group_specs/": "a",
    "/images/": "web",
    "/os-extra_specs/": "hw:cpu_policy",
    "/metadata/": "web",
}

#: Parameters that name nothing that belongs to a project: words of the API itself, or of administrators only.
NOBODYS = {
    "compute:alias", "network:alias", "compute:class_name", "compute:service_id", "compute:hypervisor_id",
    "network:default_rule_id", "network:rule_type_name",
    "network:metering_label_id", "network:metering_rule_id",
    "network:router_flavor_id", "network:service_profile_id", "network:segment_range_id", "network:segment_id",
    "compute:aggregate_id", "network:agent_id", "identity:role_id", "identity:implied_role_id",
    "identity:service_id", "identity:endpoint_id", "identity:policy_id",
    "volume:alias", "volume:class_name", "volume:host", "volume:qos_id", "volume:encryption_id", "volume:group_type_id",
    "cumulet:node", "compute:os-hypervisors", "placement:provider_id", "placement:consumer_id", "placement:name",
    "identity:endpoint_group_id", "identity:registered_limit_id",
    "compute:host", "compute:before", "compute:migration_id",
    "image:store_id", "image:task_id", "identity:idp_id", "identity:protocol_id", "identity:mapping_id", "identity:sp_id",
}  # fmt: skip

CONTENT_TYPES = {
    "image:images:update": "application/openstack-images-v2.1-json-patch",
    "image:images:upload": "application/octet-stream",
    "image:images:stage": "application/octet-stream",
}
ACTION_BODIES: dict[str, Any] = {
    "os-getVNCConsole": {"type": "novnc"}, "os-getSPICEConsole": {"type": "spice-html5"},
    "os-getRDPConsole": {"type": "rdp-html5"}, "os-getSerialConsole": {"type": "serial"},
    "os-extend": {"new_size": 2}, "revert": {"snapshot_id": UNKNOWN}, "os-reset_status": {"status": "error"},
    "os-unmanage": {},
    "os-retype": {"new_type": "fast"}, "os-migrate_volume": {"host": "nowhere"},
    "os-migrate_volume_completion": {"new_volume": UNKNOWN},
    "os-set_bootable": {"bootable": True}, "os-update_readonly_flag": {"readonly": True},
    "os-set_image_metadata": {"metadata": {"a": "b"}}, "os-unset_image_metadata": {"key": "a"},
    "os-volume_upload_image": {"image_name": "x"}, "os-attach": {"host_name": "x"}, "os-detach": {},
    "os-force_detach": {}, "os-initialize_connection": {"connector": {"host": "x"}},
    "os-terminate_connection": {"connector": {"host": "x"}}, "os-update_snapshot_status": {"status": "available"},
    "reboot": {"type": "SOFT"}, "os-getConsoleOutput": {"length": 10}, "os-resetState": {"state": "active"},
    "addSecurityGroup": {"name": "demo's"}, "removeSecurityGroup": {"name": "demo's"},
    "add_host": {"host": "x"}, "remove_host": {"host": "x"}, "set_metadata": {"metadata": {"a": "b"}},
    "addFixedIp": {"networkId": UNKNOWN}, "removeFixedIp": {"address": "192.0.2.9"},
    "addFloatingIp": {"address": "192.0.2.9"}, "removeFloatingIp": {"address": "192.0.2.9"},
    "changePassword": {"adminPass": "x"}, "resize": {"flavorRef": UNKNOWN}, "evacuate": {},
    "os-migrateLive": {"host": None, "block_migration": "auto"}, "rebuild": {"imageRef": UNKNOWN}, "createImage": {"name": "x"},
    "createBackup": {"name": "x", "backup_type": "daily", "rotation": 1},
    "addProjectAccess": {"project": "0" * 32}, "removeProjectAccess": {"project": "0" * 32},
    "delete": {"delete-volumes": False}, "reset_status": {"status": "error"},
    "create-from-src": {"source_group_id": UNKNOWN},
    "addTenantAccess": {"tenant": "0" * 32}, "removeTenantAccess": {"tenant": "0" * 32},
}  # fmt: skip
_NAMED = {"name": "renamed"}
BODIES: dict[str, Any] = {
    "cumulet:audit:repair": {"repair": ["node_used"]},
    "compute:servers:create": lambda world: {
        "server": {
            "name": "x",
            "imageRef": world.cloud.image_id,
            "flavorRef": world.cloud.flavor_id,
            "networks": "none",
        }
    },
    "compute:servers:update": {"server": _NAMED},
    "compute:remote-consoles:create": {"remote_console": {"protocol": "serial", "type": "serial"}},
    "volume:volumes:create": {"volume": {"name": "x", "size": 1}},
    "volume:os-volume-manage:create": {"volume": {"host": "n1@files", "ref": {"source-name": "x"}}},
    "volume:manageable_volumes:create": {"volume": {"host": "n1@files", "ref": {"source-name": "x"}}},
    "volume:os-snapshot-manage:create": {"snapshot": {"volume_id": UNKNOWN, "ref": {"source-name": "x"}}},
    "volume:manageable_snapshots:create": {"snapshot": {"volume_id": UNKNOWN, "ref": {"source-name": "x"}}},
    "volume:volumes:update": {"volume": _NAMED},
    "volume:snapshots:create": lambda world: {"snapshot": {"volume_id": world.ids["volume_id"]}},
    "volume:snapshots:update": {"snapshot": _NAMED},
    "volume:snapshot-metadata:create": {"metadata": {"a": "b"}},
    "volume:snapshot-metadata:update_all": {"metadata": {"a": "b"}},
    "volume:snapshot-metadata:update": {"meta": {"web": "b"}},
    "volume:attachments:create": lambda world: {"attachment": {"volume_uuid": world.ids["volume_id"]}},
    "volume:attachments:update": {"attachment": {"connector": {"host": "x"}}},
    "volume:backups:create": lambda world: {"backup": {"volume_id": world.ids["volume_id"]}},
    "volume:backups:update": {"backup": _NAMED},
    "volume:backups:restore": {"restore": {"name": "again"}},
    "volume:backups:import_record": {"backup-record": {"backup_service": "directory", "backup_url": "e30="}},
    "volume:types:create": {"volume_type": {"name": "x"}},
    "volume:types:update": {"volume_type": _NAMED},
    "volume:type-extra-specs:create": {"extra_specs": {"a": "b"}},
    "volume:type-extra-specs:update": {"multiattach": "b"},
    "volume:type-encryption:create": {"encryption": {"provider": "x", "control_location": "front-end"}},
    "volume:type-encryption:update": {"encryption": {"provider": "x"}},
    "volume:default-types:set": {"default_type": {"volume_type": "private"}},
    "volume:qos-specs:create": {"qos_specs": {"name": "x"}},
    "volume:qos-specs:set_keys": {"qos_specs": {"a": "b"}},
    "volume:qos-specs:unset_keys": {"keys": ["a"]},
    "volume:group-types:create": {"group_type": {"name": "x"}},
    "volume:group-types:update": {"group_type": _NAMED},
    "volume:group-type-specs:create": {"group_specs": {"a": "b"}},
    "volume:group-type-specs:update": {"a": "b"},
    "volume:groups:create": {"group": {"name": "x", "group_type": "kind", "volume_types": ["private"]}},
    "volume:groups:update": {"group": _NAMED},
    "volume:group-snapshots:create": lambda world: {"group_snapshot": {"group_id": world.ids["volume_group_id"]}},
    "volume:os-volume-transfer:create": lambda world: {"transfer": {"volume_id": world.ids["volume_id"]}},
    "volume:os-volume-transfer:accept": {"accept": {"auth_key": "x"}},
    "volume:volume-transfers:create": lambda world: {"transfer": {"volume_id": world.ids["volume_id"]}},
    "volume:volume-transfers:accept": {"accept": {"auth_key": "x"}},
    "volume:quota-sets:update": {"quota_set": {"volumes": 3}},
    "volume:quota-class-sets:update": {"quota_class_set": {"volumes": 3}},
    "volume:services:enable": {"host": "x", "binary": "cinder-volume"},
    "volume:services:disable": {"host": "x", "binary": "cinder-volume"},
    "volume:services:disable_log_reason": {"host": "x", "binary": "cinder-volume", "disabled_reason": "x"},
    "volume:services:freeze": {"host": "x"},
    "volume:services:thaw": {"host": "x"},
    "volume:volume-metadata:create": {"metadata": {"a": "b"}},
    "volume:volume-metadata:update_all": {"metadata": {"a": "b"}},
    "volume:volume-metadata:update": {"meta": {"web": "b"}},
    "compute:volumes-attachments:create": lambda world: {"volumeAttachment": {"volumeId": world.ids["volume_id"]}},
    "compute:volumes-attachments:update": lambda world: {
        "volumeAttachment": {"volumeId": world.ids["attached_volume_id"], "delete_on_termination": True}
    },
    "compute:attach-interfaces:create": lambda world: {"interfaceAttachment": {"net_id": world.ids["network_id"]}},
    "compute:server-metadata:update_all": {"metadata": {"a": "b"}},
    "compute:server-metadata:create": {"metadata": {"a": "b"}},
    "compute:server-metadata:update": {"meta": {"web": "b"}},
    "compute:server-tags:update_all": {"tags": ["a"]},
    "compute:server-tags:update": None,
    "compute:flavors:create": {"flavor": {"name": "x", "ram": 64, "vcpus": 1, "disk": 1}},
    "compute:flavors:update": {"flavor": {"description": "x"}},
    "compute:flavor-extra-specs:create": {"extra_specs": {"a": "b"}},
    "compute:flavor-extra-specs:update": {"hw:cpu_policy": "b"},
    "compute:hosts:update": {"status": "enable"},
    "compute:quota-class-sets:update": {"quota_class_set": {"instances": 3}},
    "compute:server-external-events:create": {"events": [{"name": "network-changed", "server_uuid": UNKNOWN}]},
    "compute:image-metadata:update_all": {"metadata": {"a": "b"}},
    "compute:image-metadata:create": {"metadata": {"a": "b"}},
    "compute:image-metadata:update": {"meta": {"web": "b"}},
    "compute:security-groups:create": {"security_group": {"name": "x", "description": "x"}},
    "compute:security-groups:update": {"security_group": {"name": "x", "description": "x"}},
    "compute:security-group-rules:create": lambda world: {
        "security_group_rule": {
            "parent_group_id": world.ids["group_id"],
            "ip_protocol": "tcp",
            "from_port": 1,
            "to_port": 2,
        }
    },
    "compute:floating-ips:create": lambda world: {"pool": world.outside_id},
    "compute:volumes:create": {"volume": {"display_name": "x", "size": 1}},
    "compute:assisted-volume-snapshots:create": {
        "snapshot": {
            "volume_id": UNKNOWN,
            "create_info": {"snapshot_id": UNKNOWN, "type": "qcow2", "new_file": "x"},
        }
    },
    "compute:snapshots:create": lambda world: {"snapshot": {"volume_id": world.ids["volume_id"]}},
    "compute:aggregates:create": {"aggregate": {"name": "x"}},
    "compute:aggregates:update": {"aggregate": {"name": "x"}},
    "compute:aggregates:images": {"cache": [{"id": UNKNOWN}]},
    "compute:server-groups:create": {"server_group": {"name": "x", "policy": "affinity"}},
    "compute:keypairs:create": {"keypair": {"name": "fresh", "public_key": PUBLIC_KEY}},
    "compute:services:update": {"status": "disabled"},
    "compute:quota-sets:update": {"quota_set": {"instances": 3}},
    "cumulet:schedule:dry_run": {"schedule": {"flavor": "c1.tiny"}},
    "network:networks:create": {"network": _NAMED},
    "network:networks:update": {"network": _NAMED},
    "network:subnets:create": lambda world: {
        "subnet": {"network_id": world.ids["network_id"], "cidr": "10.8.0.0/24", "ip_version": 4}
    },
    "network:subnets:update": {"subnet": _NAMED},
    "network:ports:create": lambda world: {"port": {"network_id": world.ids["network_id"]}},
    "network:ports:update": {"port": _NAMED},
    "network:security_groups:create": {"security_group": _NAMED},
    "network:security_groups:update": {"security_group": _NAMED},
    "network:security_group_rules:create": lambda world: {
        "security_group_rule": {"security_group_id": world.ids["group_id"], "direction": "egress", "protocol": "tcp"}
    },
    "network:agents:update": {"agent": {"description": "x"}},
    "network:rbac_policies:create": lambda world: {
        "rbac_policy": {
            "object_type": "address_group",
            "object_id": world.ids["address_group_id"],
            "action": "access_as_shared",
            "target_tenant": world.cloud.api.project_id("admin"),
        }
    },
    "network:rbac_policies:update": lambda world: {
        "rbac_policy": {"target_tenant": world.cloud.api.project_id("service")}
    },
    "network:address_groups:create": {"address_group": _NAMED},
    "network:address_groups:update": {"address_group": _NAMED},
    "network:address_groups:add": {"addresses": ["10.10.0.0/24"]},
    "network:address_groups:remove": {"addresses": ["10.9.0.0/24"]},
    "network:address_scopes:create": {"address_scope": _NAMED},
    "network:address_scopes:update": {"address_scope": _NAMED},
    "network:subnetpools:create": {"subnetpool": {"name": "x", "prefixes": ["10.10.0.0/16"]}},
    "network:subnetpools:update": {"subnetpool": _NAMED},
    "network:subnetpools:add_prefixes": {"prefixes": ["10.11.0.0/16"]},
    "network:subnetpools:remove_prefixes": {"prefixes": ["10.9.1.0/24"]},
    "network:qos_policies:create": {"policy": _NAMED},
    "network:qos_policies:update": {"policy": _NAMED},
    "network:qos_bandwidth_limit_rules:create": {"bandwidth_limit_rule": {"max_kbps": 5, "direction": "ingress"}},
    "network:qos_bandwidth_limit_rules:update": {"bandwidth_limit_rule": {"max_kbps": 5}},
    "network:qos_bandwidth_limit_rules:alias_update": {"bandwidth_limit_rule": {"max_kbps": 5}},
    "network:qos_dscp_marking_rules:create": {"dscp_marking_rule": {"dscp_mark": 26}},
    "network:qos_dscp_marking_rules:update": {"dscp_marking_rule": {"dscp_mark": 28}},
    "network:qos_dscp_marking_rules:alias_update": {"dscp_marking_rule": {"dscp_mark": 28}},
    "network:qos_packet_rate_limit_rules:create": {"packet_rate_limit_rule": {"max_kpps": 5, "direction": "ingress"}},
    "network:qos_packet_rate_limit_rules:update": {"packet_rate_limit_rule": {"max_kpps": 5}},
    "network:qos_minimum_bandwidth_rules:create": {"minimum_bandwidth_rule": {"min_kbps": 5, "direction": "ingress"}},
    "network:qos_minimum_bandwidth_rules:update": {"minimum_bandwidth_rule": {"min_kbps": 5}},
    "network:qos_minimum_bandwidth_rules:alias_update": {"minimum_bandwidth_rule": {"min_kbps": 5}},
    "network:qos_minimum_packet_rate_rules:create": {
        "minimum_packet_rate_rule": {"min_kpps": 1, "direction": "ingress"}
    },
    "network:qos_minimum_packet_rate_rules:update": {"minimum_packet_rate_rule": {"min_kpps": 1}},
    "network:qos_minimum_packet_rate_rules:alias_update": {"minimum_packet_rate_rule": {"min_kpps": 1}},
    "network:trunks:create": lambda world: {"trunk": {"port_id": world.ids["free_port_id"]}},
    "network:trunks:update": {"trunk": _NAMED},
    "network:trunks:add_subports": {"sub_ports": []},
    "network:trunks:remove_subports": {"sub_ports": []},
    "network:default_group_rules:create": {"default_security_group_rule": {"direction": "ingress", "protocol": "tcp"}},
    **{
        f"network:{kind}_tags:{verb}": body
        for kind in (
            "networks",
            "subnets",
            "ports",
            "security_groups",
            "security_group_rules",
            "subnetpools",
            "address_groups",
            "policies",
            "qos_policies",
            "trunks",
            "routers",
            "floatingips",
        )
        for verb, body in (("update_all", {"tags": ["a"]}), ("create", {"tags": ["a"]}), ("update", None))
    },
    "placement:inventories:update_all": {"resource_provider_generation": 1, "inventories": {"VCPU": {"total": 1}}},
    "placement:inventories:update": {"resource_provider_generation": 1, "total": 1},
    "network:routers:create": {"router": _NAMED},
    "network:routers:update": {"router": _NAMED},
    "network:routers:add_router_interface": lambda world: {"subnet_id": world.ids["subnet_id"]},
    "network:routers:remove_router_interface": lambda world: {"subnet_id": world.ids["subnet_id"]},
    "network:routers:add_extraroutes": {"router": {"routes": []}},
    "network:routers:remove_extraroutes": {"router": {"routes": []}},
    "network:segment_ranges:create": {"network_segment_range": {"network_type": "vxlan", "minimum": 5, "maximum": 6}},
    "network:segment_ranges:update": {"network_segment_range": _NAMED},
    "network:segments:update": {"segment": _NAMED},
    "network:metering_labels:create": {"metering_label": _NAMED},
    "network:metering_label_rules:create": {
        "metering_label_rule": {"metering_label_id": UNKNOWN, "remote_ip_prefix": "10.0.0.0/8"}
    },
    "network:flavors:create": {"flavor": {"name": "x", "service_type": "L3_ROUTER_NAT"}},
    "network:flavors:update": {"flavor": _NAMED},
    "network:flavors:add_profile": {"service_profile": {"id": UNKNOWN}},
    "network:service_profiles:create": {"service_profile": {"metainfo": "{}"}},
    "network:service_profiles:update": {"service_profile": {"description": "x"}},
    "network:agents:dhcp_networks:create": lambda world: {"network_id": world.ids["network_id"]},
    "network:agents:l3_routers:create": lambda world: {"router_id": world.ids["router_id"]},
    "network:floatingips:create": lambda world: {"floatingip": {"floating_network_id": world.outside_id}},
    "network:port_forwardings:create": lambda world: {"port_forwarding": world.forwarding(23)},
    "network:port_forwardings:update": {"port_forwarding": {"description": "x"}},
    "network:floatingips:update": {"floatingip": {"description": "x"}},
    "network:quotas:update": {"quota": {"port": 3}},
    "network:logs:create": {"log": {"resource_type": "security_group"}},
    "network:logs:update": {"log": _NAMED},
    "network:ndp_proxies:create": lambda world: {
        "ndp_proxy": {"router_id": world.ids["router_id"], "port_id": world.ids["port_id"]}
    },
    "network:ndp_proxies:update": {"ndp_proxy": _NAMED},
    "network:local_ips:create": lambda world: {"local_ip": {"network_id": world.ids["network_id"]}},
    "network:local_ips:update": {"local_ip": _NAMED},
    "network:local_ip_associations:create": lambda world: {
        "port_association": {"fixed_port_id": world.ids["free_port_id"]}
    },
    "network:conntrack_helpers:create": {"conntrack_helper": {"helper": "tftp", "protocol": "udp", "port": 69}},
    "network:conntrack_helpers:update": {"conntrack_helper": {"port": 6969}},
    "image:images:create": {"name": "x", "disk_format": "raw", "container_format": "bare"},
    "image:images:update": [{"op": "replace", "path": "/name", "value": "x"}],
    "image:images:upload": None,
    "image:images:stage": None,
    "image:images:import": {"method": {"name": "glance-direct"}},
    "image:images:deactivate": None,
    "image:images:reactivate": None,
    "image:tags:add": None,
    "image:cache:queue": None,
    "image:members:add": lambda world: {"member": world.cloud.api.project_id("other")},
    "image:members:answer": {"status": "accepted"},
    "cumulet:nodes:forget": {"forget": {"powered_off": True}},
    "cumulet:nodes:create_token": {"token": {"node": "node9"}},
    "cumulet:nodes:join": {"join": {"token": "wrong"}},
    "identity:create_token": {
        "auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "nobody"}}}}
    },
    "identity:create_domain": {"domain": {"name": "x"}},
    "identity:update_domain": {"domain": {"description": "x"}},
    "identity:create_project": {"project": {"name": "x"}},
    "identity:update_project": {"project": {"description": "x"}},
    "identity:create_user": {"user": {"name": "x", "password": "a password"}},
    "identity:update_user": {"user": {"description": "x"}},
    "identity:change_password": {"user": {"original_password": "wrong", "password": "a new password"}},
    "identity:create_role": {"role": {"name": "x"}},
    "identity:update_role": {"role": {"description": "x"}},
    "identity:create_grant": None,
    "identity:create_implied_role": None,
    "identity:create_system_grant_for_group": None,
    "identity:create_group": {"group": {"name": "x"}},
    "identity:update_group": {"group": {"description": "x"}},
    "identity:add_user_to_group": None,
    "identity:update_project_tags": {"tags": ["a"]},
    "identity:create_project_tag": None,
    "identity:create_application_credential": {
        "application_credential": {
            "name": "x",
            "roles": [{"name": "reader"}],
            "access_rules": [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}],
        }
    },
    "image:metadefs:namespaces:create": {"namespace": "x"},
    "image:metadefs:namespaces:update": {"namespace": "demo's"},
    "image:metadefs:object:create": {"name": "x", "properties": {"a": {"title": "A", "type": "string"}}},
    "image:metadefs:object:update": {"name": "x"},
    "image:metadefs:property:create": {"name": "x", "title": "x", "type": "string"},
    "image:metadefs:property:update": {"name": "x", "title": "x", "type": "string"},
    "image:metadefs:tag:create": None,
    "image:metadefs:tag:replace": {"tags": [{"name": "x"}]},
    "image:metadefs:tag:update": {"name": "x"},
    "image:metadefs:resource_type:create": {"name": "x"},
    "identity:create_trust": lambda world: {
        "trust": {
            "trustor_user_id": UNKNOWN,
            "trustee_user_id": UNKNOWN,
            "impersonation": False,
            "project_id": world.ids["project_id"],
            "roles": [{"name": "member"}],
        }
    },
    "identity:create_endpoint_group": {"endpoint_group": {"name": "x", "filters": {"interface": "public"}}},
    "identity:update_endpoint_group": {"endpoint_group": {"name": "y"}},
    "identity:add_endpoint_group_to_project": None,
    "identity:add_endpoint_to_project": None,
    "identity:create_registered_limits": {
        "registered_limits": [{"service_id": UNKNOWN, "resource_name": "x", "default_limit": 1}]
    },
    "identity:update_registered_limit": {"registered_limit": {"default_limit": 2}},
    "identity:create_limits": lambda world: {
        "limits": [
            {"service_id": UNKNOWN, "resource_name": "x", "resource_limit": 1, "project_id": world.ids["project_id"]}
        ]
    },
    "identity:update_limit": {"limit": {"resource_limit": 3}},
    "identity:create_identity_provider": {"identity_provider": {}},
    "identity:update_identity_provider": {"identity_provider": {"enabled": True}},
    "identity:create_protocol": {"protocol": {"mapping_id": UNKNOWN}},
    "identity:update_protocol": {"protocol": {"mapping_id": UNKNOWN}},
    "identity:create_mapping": {"mapping": {"rules": [{"local": [], "remote": [{"type": "x"}]}]}},
    "identity:update_mapping": {"mapping": {"rules": [{"local": [], "remote": [{"type": "x"}]}]}},
    "identity:create_service_provider": {"service_provider": {"auth_url": "http://x", "sp_url": "http://x"}},
    "identity:update_service_provider": {"service_provider": {"enabled": True}},
    "identity:create_policy": {"policy": {"type": "application/json", "blob": "{}"}},
    "identity:update_policy": {"policy": {"blob": "x"}},
    "identity:create_policy_association_for_endpoint": None,
    "identity:create_policy_association_for_service": None,
    "identity:create_policy_association_for_region_and_service": None,
    "identity:create_credential": {"credential": {"type": "cert", "blob": "x"}},
    "identity:update_credential": {"credential": {"blob": "x"}},
    "identity:ec2_create_credential": {"tenant_id": UNKNOWN},
    "identity:create_system_grant_for_user": None,
    "identity:create_region": {"region": {"description": "x"}},
    "identity:update_region": {"region": {"description": "x"}},
    "identity:create_service": {"service": {"type": "x", "name": "x"}},
    "identity:update_service": {"service": {"name": "x"}},
    "identity:create_endpoint": {"endpoint": {"interface": "public", "url": "http://x", "service_id": UNKNOWN}},
    "identity:update_endpoint": {"endpoint": {"url": "http://y"}},
}


def values(row: Row, world: World) -> dict[str, str] | None:
    """demo's own things for a path; None for a path that names nothing of anybody's.

    Raises KeyError with what to do for a parameter that nobody has described.
    """
    found: dict[str, str] = {}
    for name in row.parameters:
        known = f"{row.api.name}:{name}"
        if known in NOBODYS or row.route.path.startswith("/schemas/"):
            return None
        if name == "key":
            found[name] = next(value for part, value in KEYS.items() if part in row.route.path)
            continue
        if known == "image:name" and "<namespace>" in row.route.path:
            known = "image:metadef_name"
        if known == "identity:credential_id" and "application_credentials" in row.route.path:
            known = "identity:application_credential_id"
        how = VALUES.get(known, VALUES.get(name))
        if how is None:
            raise KeyError(
                f"{row.where}: add to VALUES in {__name__} how to make <{name}> (key {known!r}), so that strangers are "
                f"tried on it; or to NOBODYS, when it names nothing that belongs to a project"
            )
        found[name] = how(world) if callable(how) else world.ids[how]
    return found


def placeholders(row: Row) -> dict[str, str]:
    """Something for every parameter, where nothing needs to exist."""
    return {name: new_id() for name in row.parameters}
