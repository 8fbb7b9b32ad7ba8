"""What people find in a new cloud: image, flavors, network, keypair, and the files that clients read.

The same for `up` and `lab`: all of it is done by OpenStack's own client library, as anybody would do it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import host
from layout import Layout
from services import BINARIES

IMAGE, NETWORK, KEYPAIR = "cumulet-guest", "shared", "demo"
VOLUME_TYPES = (  # name, back end, description
    ("served", "nbd", "served over NBD to any node"),
    ("local", "files", "files of one node, for its servers alone"),
)
CIDR, GATEWAY = "10.88.0.0/24", "10.88.0.1"
PUBLIC, PHYSICAL = "public", "physnet1"
PUBLIC_CIDR, PUBLIC_GATEWAY, PUBLIC_POOL = "172.24.4.0/24", "172.24.4.1", ("172.24.4.2", "172.24.4.254")
POOL, POOL_CIDR = "default", "10.72.0.0/16"
FLAVORS = (("c1.tiny", 1, 128, 1), ("c1.small", 1, 256, 2))  # name, vCPUs, MiB, GiB


class Registration:
    """Each method finds what is there or makes it, and tells which. `url`: where clients find the API."""

    def __init__(self, layout: Layout, url: str) -> None:
        self.layout, self.url = layout, url
        self._clouds: dict[str, Any] = {}

    def write_client_files(self, known: Mapping[str, str]) -> str:
        """`known`: password by user."""
        client = self.layout.client
        clouds = {}
        for cloud, user, file in (("cumulet-admin", "admin", "openrc"), ("cumulet", "demo", "openrc.demo")):
            auth = {
                "auth_url": f"{self.url}/identity/v3",
                "username": user,
                "password": known[user],
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
            clouds[cloud] = {"auth": auth, "region_name": "RegionOne", "identity_api_version": 3}
            lines = [f"export OS_{key.upper()}='{value}'" for key, value in auth.items()]
            lines += [
                "export OS_REGION_NAME='RegionOne'",
                "export OS_IDENTITY_API_VERSION='3'",
                f"export CUMULET_CONFIG='{self.layout.config}'",  # for `cumulet check`, and where state was moved
                f"export PATH='{BINARIES}':\"$PATH\"",
            ]
            host.write_private(client / file, "\n".join(lines) + "\n")
        host.write_private(client / "clouds.yaml", json.dumps({"clouds": clouds}, indent=2) + "\n")  # JSON is YAML
        host.ensure_ssh_key(client / "id_demo")
        return f"{client}/openrc, openrc.demo, clouds.yaml, id_demo"

    def cloud(self, name: str) -> Any:
        """A connection of openstacksdk, made once."""
        if name not in self._clouds:
            import openstack

            loader = openstack.config.OpenStackConfig(
                config_files=[str(self.layout.client / "clouds.yaml")], load_envvars=False
            )
            self._clouds[name] = openstack.connection.Connection(config=loader.get_one(cloud=name))
        return self._clouds[name]

    def register_image(self) -> str:
        admin = self.cloud("cumulet-admin")
        file = self.layout.shared / "guest" / f"{IMAGE}.qcow2"
        sha512 = hashlib.sha512(file.read_bytes()).hexdigest()
        known = list(admin.image.images(name=IMAGE))
        current = [image for image in known if image.hash_value == sha512 and image.status == "active"]
        for image in known:
            if image not in current:
                admin.image.delete_image(image)
        if not current:
            admin.create_image(
                IMAGE,
                filename=str(file),
                disk_format="qcow2",
                container_format="bare",
                visibility="public",
                wait=True,
                timeout=60,
                min_ram=96,
            )
        names = {flavor.name for flavor in admin.compute.flavors()}
        for name, vcpus, memory_mib, disk_gib in FLAVORS:
            if name not in names:
                admin.compute.create_flavor(name=name, vcpus=vcpus, ram=memory_mib, disk=disk_gib)
        return f"{IMAGE} {'kept' if current else 'registered'}, {', '.join(f[0] for f in FLAVORS)}"

    def register_network(self) -> str:
        admin, demo = self.cloud("cumulet-admin"), self.cloud("cumulet")
        network = admin.network.find_network(NETWORK)
        if network is None:
            network = admin.network.create_network(name=NETWORK, shared=True, **{"cumulet:nat": True})
        if not network.subnet_ids:
            admin.network.create_subnet(
                network_id=network.id, name=NETWORK, ip_version=4, cidr=CIDR, gateway_ip=GATEWAY
            )
        self._register_public(admin)
        self._register_pool(admin)
        self._open_default_group(demo)
        public_key = (self.layout.client / "id_demo.pub").read_text().strip()
        keypair = demo.compute.find_keypair(KEYPAIR)
        if keypair is not None and keypair.public_key.split()[1] != public_key.split()[1]:
            demo.compute.delete_keypair(keypair)
            keypair = None
        if keypair is None:
            demo.compute.create_keypair(name=KEYPAIR, public_key=public_key)
        ranges = f"{NETWORK} {CIDR}, {PUBLIC} {PUBLIC_CIDR}, pool {POOL_CIDR}"
        return f"{ranges}; default group lets in SSH and ping; keypair {KEYPAIR}"

    def register_volume_types(self) -> str:
        """For clouds of several nodes; what names no type is of the back end that the nodes name first."""
        volume = self.cloud("cumulet-admin").block_storage
        known = {kind.name: kind for kind in volume.types()}
        for name, backend, description in VOLUME_TYPES:
            kind = known.get(name) or volume.create_type(name=name, description=description)
            volume.update_type_extra_specs(kind, volume_backend_name=backend)
        return ", ".join(name for name, _, _ in VOLUME_TYPES)

    def _register_pool(self, admin: Any) -> None:
        """What subnets are cut of that name no range, as those of automatically allocated topologies are."""
        if admin.network.find_subnet_pool(POOL) is None:
            admin.network.create_subnet_pool(
                name=POOL, prefixes=[POOL_CIDR], default_prefix_length=26, is_shared=True, is_default=True
            )

    def _register_public(self, admin: Any) -> None:
        """What floating IPs are of. There is no wire behind it: the gateway node is its way out, and answers from here."""
        network = admin.network.find_network(PUBLIC)
        if network is None:
            outside = {"router:external": True, "is_default": True, "provider:network_type": "flat"}
            network = admin.network.create_network(name=PUBLIC, **outside, **{"provider:physical_network": PHYSICAL})
        if not network.subnet_ids:
            start, end = PUBLIC_POOL
            admin.network.create_subnet(
                network_id=network.id,
                name=PUBLIC,
                ip_version=4,
                cidr=PUBLIC_CIDR,
                gateway_ip=PUBLIC_GATEWAY,
                is_dhcp_enabled=False,
                allocation_pools=[{"start": start, "end": end}],
            )

    def _open_default_group(self, demo: Any) -> None:
        group = next(iter(demo.network.security_groups(name="default", project_id=demo.current_project_id)))
        there = {
            (rule["protocol"], rule["port_range_min"])
            for rule in group.security_group_rules
            if rule["direction"] == "ingress"
        }
        for protocol, port in (("tcp", 22), ("icmp", None)):
            if (protocol, port) not in there:
                demo.network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ethertype="IPv4",
                    protocol=protocol,
                    port_range_min=port,
                    port_range_max=port,
                )

    def join_token(self, name: str, *, is_gateway: bool = False, is_compute: bool = True) -> str:
        """What a node shows once, within minutes, to get its credentials."""
        body = {"token": {"node": name, "lifetime_s": 600, "is_gateway": is_gateway, "is_compute": is_compute}}
        answer = self.cloud("cumulet-admin").session.post(f"{self.url}/cumulet/v1/nodes/tokens", json=body)
        return str(answer.json()["token"]["token"])

    def nodes_up(self) -> set[str]:
        """Names of the nodes whose agent reports."""
        services = self.cloud("cumulet-admin").compute.services(binary="nova-compute")
        return {service.host for service in services if service.state == "up"}
