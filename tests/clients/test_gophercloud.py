"""gophercloud decodes every page of every list and every resource that Go programs read (strict.go), at each microversion
whose form differs: Terraform's provider, Packer and Kubernetes' cloud provider stand on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.conftest import connect, openrc
from tests.fixtures.live_cloud import PUBLIC_KEY, LiveCloud

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning:openstack")]
PROGRAM = Path(__file__).with_name("strict.go")
RUN_S = 180.0


@pytest.fixture
def furnished(cloud: LiveCloud) -> Iterator[LiveCloud]:
    """Something of everything, so that lists have pages, and optional members are once there and once not."""
    admin, demo = connect(cloud, "admin"), connect(cloud, "demo")
    with ExitStack() as undo:
        network = demo.network.create_network(name="strict", description="with both kinds of addresses")
        undo.callback(demo.network.delete_network, network.id)
        four = demo.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24", gateway_ip=None)
        undo.callback(demo.network.delete_subnet, four.id)
        six = demo.network.create_subnet(
            network_id=network.id, ip_version=6, cidr="fd00:9::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac",
            host_routes=[{"destination": "fd00:a::/64", "nexthop": "fd00:9::2"}], dns_nameservers=["fd00:9::3"],
        )  # fmt: skip
        undo.callback(demo.network.delete_subnet, six.id)
        group = demo.network.create_security_group(name="strict")
        undo.callback(demo.network.delete_security_group, group.id)
        for rule in (
            {"protocol": "tcp", "port_range_min": 22, "port_range_max": 80, "remote_ip_prefix": "10.0.0.0/8"},
            {"protocol": "icmp", "remote_group_id": group.id, "ethertype": "IPv4"},
        ):
            demo.network.create_security_group_rule(security_group_id=group.id, direction="ingress", **rule)
        port = demo.network.create_port(network_id=network.id, security_groups=[], name="bare")
        undo.callback(demo.network.delete_port, port.id)
        image = demo.image.create_image("strict", data=b"y" * 512, disk_format="raw", container_format="bare")
        undo.callback(demo.image.delete_image, image.id)
        demo.image.update_image(image.id, visibility="shared")
        demo.image.add_member(image.id, member_id=admin.current_project_id)
        admin.compute.create_flavor_extra_specs("c1.small", {"hw:mem_page_size": "small"})
        undo.callback(admin.compute.delete_flavor_extra_specs_property, "c1.small", "hw:mem_page_size")
        admin.compute.create_keypair(name="strict", public_key=PUBLIC_KEY)
        undo.callback(admin.compute.delete_keypair, "strict")
        for number in range(3):
            server = demo.create_server(
                f"strict{number}", image="guest", flavor="c1.tiny", network="shared", wait=True, auto_ip=False,
                **({"key_name": "demo", "meta": {"a": "b"}} if number else {}),
            )  # fmt: skip
            undo.callback(demo.delete_server, server.id, wait=True)
        yield cloud


def test_everything_decodes(furnished: LiveCloud, go_environment: dict[str, str]) -> None:
    environment = openrc(furnished, "admin") | go_environment | {"OS_DOMAIN_NAME": "Default"}
    done = subprocess.run(
        ["go", "run", str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
