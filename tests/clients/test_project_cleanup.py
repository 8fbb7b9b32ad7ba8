"""`openstack project cleanup`: what a project has in every service goes; the project and everybody else's things stay."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openstack
import pytest
from openstack.connection import Connection

from tests.clients.conftest import connect
from tests.fixtures.api import PASSWORD
from tests.fixtures.live_cloud import COMMAND_S, LiveCloud

# it waits for a server, a volume and their ends, and for a command that starts in seconds
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore::Warning:openstack")]
PROJECT = "leaving"


@pytest.fixture
def leaving(live_cloud: LiveCloud) -> Iterator[Connection]:
    """An administrator's connection to a project of its own."""
    admin = connect(live_cloud, "admin")
    project = admin.identity.create_project(name=PROJECT, domain_id="default")
    user, role = admin.identity.find_user("admin"), admin.identity.find_role("admin")
    admin.identity.assign_project_role_to_user(project, user, role)
    yield openstack.connect(
        auth_url=f"{live_cloud.url}/identity/v3", username="admin", password=PASSWORD, project_name=PROJECT,
        user_domain_id="default", project_domain_id="default", region_name="RegionOne",
    )  # fmt: skip
    admin.identity.delete_project(project)


def furnish(cloud: Connection) -> None:
    """A server on a network with a router, a volume with a snapshot and a backup, an image."""
    network = cloud.network.create_network(name="of leaving")
    subnet = cloud.network.create_subnet(network_id=network.id, cidr="10.99.0.0/24", ip_version=4)
    router = cloud.network.create_router(name="of leaving")
    cloud.network.add_interface_to_router(router, subnet=subnet)
    image = cloud.image.create_image(
        name="of leaving", disk_format="raw", container_format="bare", data=io.BytesIO(b"x" * 2048),
        validate_checksum=False,
    )  # fmt: skip
    volume = cloud.block_storage.create_volume(name="of leaving", size=1)
    cloud.block_storage.wait_for_status(volume, "available")
    snapshot = cloud.block_storage.create_snapshot(volume_id=volume.id, name="of leaving")
    cloud.block_storage.wait_for_status(snapshot, "available")
    backup = cloud.block_storage.create_backup(volume_id=volume.id, name="of leaving")
    cloud.block_storage.wait_for_status(backup, "available")
    server = cloud.compute.create_server(
        name="of-leaving", image_id=image.id, flavor_id="c1.tiny", networks=[{"uuid": network.id}]
    )
    cloud.compute.wait_for_server(server)


def test_everything_of_a_project_goes(live_cloud: LiveCloud, leaving: Connection) -> None:
    admin = connect(live_cloud, "admin")
    before = {each.id for each in admin.image.images()}, {each.id for each in admin.network.networks()}
    furnish(leaving)
    program = str(Path(sys.executable).parent / "openstack")
    words = [program, "project", "cleanup", "--auto-approve", "--project", PROJECT]
    done = subprocess.run(
        words, env=live_cloud.environment("admin"), capture_output=True, text=True, timeout=2 * COMMAND_S, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stdout + done.stderr
    left = {
        "servers": leaving.compute.servers(),
        "volumes": leaving.block_storage.volumes(),
        "snapshots": leaving.block_storage.snapshots(),
        "backups": leaving.block_storage.backups(),
        "routers": leaving.network.routers(project_id=leaving.current_project_id),
        "ports": leaving.network.ports(project_id=leaving.current_project_id),
        "networks": leaving.network.networks(project_id=leaving.current_project_id),
    }
    assert {noun: [each.id for each in rows] for noun, rows in left.items()} == {noun: [] for noun in left}
    assert ({each.id for each in admin.image.images()}, {each.id for each in admin.network.networks()}) == before
