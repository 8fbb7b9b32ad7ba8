"""Making and removing what demo_topology.py describes, by OpenStack's own client library, as a tenant would.

Everything is found by name first, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo_topology import INNER, NETWORKS, NOBODY, OPEN, SERVERS, TENANTS, WEB, Matrix, Server, Target
from layout import Layout
from progress import StepFailed, wait_for
from registration import IMAGE, PUBLIC

PREFIX = "demo-network"
FLAVOR, KEYPAIR, SPREAD = "c1.tiny", PREFIX, "apart"
ACTIVE_S, GONE_S = 300.0, 120.0
#: says the server's name to whoever asks; once per boot
USER_DATA = "#!/bin/sh\nmkdir -p /run/demo\nhostname >/run/demo/name\nhttpd -p 80 -h /run/demo\n"


@dataclass
class Tenant:
    name: str
    project: Any
    user: Any
    cloud: Any
    groups: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    router: Any = None


@dataclass(frozen=True)
class Made:
    """One server as it is. floating: "" without one."""

    server: Server
    id: str
    node: str
    floating: str


class Builder:
    """The administrator makes the tenants; all else is made by these themselves."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.admin = _connect(layout, "cumulet-admin")
        self.tenants: dict[str, Tenant] = {}

    # -- making ---------------------------------------------------------------------------------------------------------

    def make_tenants(self) -> str:
        for name in TENANTS:
            self.tenants[name] = self._tenant(name)
        return ", ".join(tenant.project.name for tenant in self.tenants.values())

    def make_networks(self) -> str:
        for tenant in self.tenants.values():
            self._make_groups(tenant)
            self._make_router(tenant)
        ranges = ", ".join(cidr for cidr, _ in NETWORKS.values())
        return f"each has {ranges}, a router to {PUBLIC}, groups {WEB} and {INNER}"

    def make_servers(self) -> str:
        for server in SERVERS:
            self._make_server(self.tenants[server.tenant], server)
        for tenant in self.tenants.values():
            wait_for(
                lambda tenant=tenant: self._settled(tenant),  # type: ignore[misc]
                deadline_s=ACTIVE_S,
                failed=lambda tenant=tenant: f"servers of {tenant.name}: {self._states(tenant)}",  # type: ignore[misc]
            )
        return ", ".join(f"{each.server.name} on {each.node}" for each in self.made())

    def made(self) -> list[Made]:
        found = []
        nodes = {each.id: each.hypervisor_hostname for each in self.admin.compute.servers(all_projects=True)}
        for server in SERVERS:
            cloud = self.tenants[server.tenant].cloud
            there = cloud.compute.find_server(server.name, ignore_missing=False)
            port = cloud.network.find_port(server.name, ignore_missing=False)
            floating = next((each.floating_ip_address for each in cloud.network.ips(port_id=port.id)), "")
            found.append(Made(server, there.id, nodes.get(there.id) or "no node", floating))
        return found

    def _tenant(self, name: str) -> Tenant:
        """The user gets a new password each time: nobody keeps it."""
        identity, full, password = self.admin.identity, f"{PREFIX}-{name}", secrets.token_urlsafe(24)
        project = identity.find_project(full) or identity.create_project(name=full, domain_id="default")
        user = identity.find_user(full)
        if user is None:
            user = identity.create_user(name=full, domain_id="default", password=password)
        else:
            identity.update_user(user, password=password)
        identity.assign_project_role_to_user(project, user, identity.find_role("member", ignore_missing=False))
        return Tenant(name, project, user, _connect(self.layout, "cumulet-admin", full, password))

    def _make_groups(self, tenant: Tenant) -> None:
        network = tenant.cloud.network
        for name in (WEB, INNER):
            tenant.groups[name] = network.find_security_group(name) or network.create_security_group(name=name)
        for name in (WEB, INNER):
            group = network.get_security_group(tenant.groups[name])
            known = {(rule["protocol"], rule["port_range_min"]) for rule in group.security_group_rules}
            remote = {} if name == WEB else {"remote_group_id": tenant.groups[WEB].id}
            for protocol, port in OPEN:
                if (protocol, port) not in known:
                    network.create_security_group_rule(
                        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol=protocol,
                        port_range_min=port, port_range_max=port, **remote,
                    )  # fmt: skip

    def _make_router(self, tenant: Tenant) -> None:
        network = tenant.cloud.network
        public = network.find_network(PUBLIC, ignore_missing=False)
        router = network.find_router("way") or network.create_router(
            name="way", external_gateway_info={"network_id": public.id}
        )
        plugged = {port.network_id for port in network.ports(device_id=router.id)}
        for name, (cidr, gateway) in NETWORKS.items():
            made = network.find_network(name, project_id=tenant.project.id) or network.create_network(name=name)
            subnet = network.find_subnet(name) or network.create_subnet(
                name=name, network_id=made.id, ip_version=4, cidr=cidr, gateway_ip=gateway
            )
            if made.id not in plugged:
                network.add_interface_to_router(router, subnet_id=subnet.id)
            tenant.networks[name] = made
        tenant.router = router

    def _make_server(self, tenant: Tenant, server: Server) -> None:
        compute, network = tenant.cloud.compute, tenant.cloud.network
        port = network.find_port(server.name) or network.create_port(
            name=server.name, network_id=tenant.networks[server.place.network].id,
            fixed_ips=[{"ip_address": server.place.address}], security_groups=[tenant.groups[server.place.group].id],
        )  # fmt: skip
        if server.floats and not list(network.ips(port_id=port.id)):
            public = network.find_network(PUBLIC, ignore_missing=False)
            network.create_ip(floating_network_id=public.id, port_id=port.id)
        if compute.find_server(server.name) is not None:
            return
        if compute.find_keypair(KEYPAIR) is None:
            public_key = (self.layout.client / "id_demo.pub").read_text().strip()
            compute.create_keypair(name=KEYPAIR, public_key=public_key)
        spread = next((each for each in compute.server_groups() if each.name == SPREAD), None)
        spread = spread or compute.create_server_group(name=SPREAD, policy="soft-anti-affinity")
        compute.create_server(
            name=server.name, flavor_id=compute.find_flavor(FLAVOR, ignore_missing=False).id,
            image_id=next(iter(tenant.cloud.image.images(name=IMAGE))).id, key_name=KEYPAIR,
            networks=[{"port": port.id}], user_data=base64.b64encode(USER_DATA.encode()).decode(),
            scheduler_hints={"group": spread.id},
        )  # fmt: skip

    def _states(self, tenant: Tenant) -> dict[str, str]:
        return {each.name: each.status for each in tenant.cloud.compute.servers()}

    def _settled(self, tenant: Tenant) -> bool:
        states = self._states(tenant)
        broken = [name for name, status in states.items() if status == "ERROR"]
        if broken:
            raise StepFailed(f"{', '.join(broken)} of {tenant.name} could not be made: cumulet server why says why")
        return bool(states) and set(states.values()) == {"ACTIVE"}

    def compare_traces(self, made: Sequence[Made], columns: Sequence[Target], matrix: Matrix) -> str:
        """What `cumulet network trace` foretells against what was seen. Raises StepFailed for a difference."""
        others, asked = [], 0
        for each in made:
            for target in columns:
                query = {"target": target.address, "protocol": "icmp"}
                if target.kind != "ping":
                    query |= {"protocol": "tcp", "port": str(target.port)}
                filters = {"service_type": "cumulet", "interface": "public"}
                answer = self.admin.session.get(f"/servers/{each.id}/trace", endpoint_filter=filters, params=query)
                trace, seen = answer.json()["trace"], matrix[each.server.name, target.title]
                asked += 1
                if (trace["verdict"] == "stopped") != (seen == NOBODY):
                    others.append(
                        f"{each.server.name} -> {target.title}: {seen} answered, {trace['verdict']}: {trace['reason']}"
                    )
        if others:
            raise StepFailed("The trace says otherwise:\n" + "\n".join(others))
        return f"{asked} times"

    # -- removing -------------------------------------------------------------------------------------------------------

    def clean(self) -> str:
        removed = 0
        for name in TENANTS:
            if self.admin.identity.find_project(f"{PREFIX}-{name}") is None:
                continue
            tenant = self._tenant(name)
            self._clean_servers(tenant)
            self._clean_networks(tenant)
            self.admin.identity.delete_user(tenant.user)
            self.admin.identity.delete_project(tenant.project)
            removed += 1
        return f"{removed} tenants with all they had"

    def _clean_servers(self, tenant: Tenant) -> None:
        compute = tenant.cloud.compute
        _each(compute.delete_server, compute.servers())
        wait_for(
            lambda: not list(compute.servers()),
            deadline_s=GONE_S,
            failed=lambda: f"servers of {tenant.name} are still there: {self._states(tenant)}",
        )
        _each(compute.delete_server_group, compute.server_groups())
        _each(compute.delete_keypair, compute.keypairs())

    def _clean_networks(self, tenant: Tenant) -> None:
        network, own = tenant.cloud.network, {"project_id": tenant.project.id}
        _each(network.delete_ip, network.ips(**own))
        for router in network.routers(**own):
            for port in network.ports(device_id=router.id, device_owner="network:router_interface"):
                network.remove_interface_from_router(router, port_id=port.id)
            network.delete_router(router)
        _each(
            network.delete_port, [port for port in network.ports(**own) if not port.device_owner.startswith("network:")]
        )
        _each(network.delete_network, network.networks(**own))
        _each(
            network.delete_security_group, [each for each in network.security_groups(**own) if each.name != "default"]
        )


def _each(delete: Callable[[Any], object], things: Iterable[Any]) -> None:
    for thing in list(things):
        delete(thing)


def _connect(layout: Layout, cloud: str, user: str = "", password: str = "") -> Any:
    """As who clouds.yaml says, or at the same place as another user, whose project has the same name."""
    import openstack

    loader = openstack.config.OpenStackConfig(config_files=[str(layout.client / "clouds.yaml")], load_envvars=False)
    chosen = loader.get_one(cloud=cloud)
    if not user:
        return openstack.connection.Connection(config=chosen)
    auth = {**chosen.config["auth"], "username": user, "password": password, "project_name": user}
    return openstack.connection.Connection(auth=auth, region_name=chosen.region_name)
