"""An ordinary Debian with its own cloud-init: it must need nothing that only our small guest knows."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.one_node, pytest.mark.full]

BOOT_S = 600.0  # systemd and a Python cloud-init without hardware virtualisation


@pytest.fixture(scope="module")
def image() -> Path:
    path = Path(os.environ["CUMULET_TEST_CACHE"], "debian.qcow2")
    if not path.exists():
        pytest.fail(f"{path} is not there: run devstack/test --full, which builds it")
    return path


@pytest.fixture(scope="module")
def debian(cloud: Cloud, image: Path) -> Iterator[None]:
    openstack(
        cloud,
        words("flavor create --vcpus 1 --ram 512 --disk 3 debian"),
        words(f"image create --disk-format qcow2 --container-format bare --public --file {image} debian"),
        user="cumulet-admin",
    )
    yield
    openstack(cloud, words("image delete debian"), words("flavor delete debian"), user="cumulet-admin")


def wait_for_cloud_init(cloud: Cloud, name: str) -> Guest:
    guest = replace(e2e_guest.find(cloud, name), user="debian")  # as Debian's cloud-init has it
    until(lambda: guest.try_ssh("true").returncode == 0, "SSH into Debian", deadline_s=BOOT_S, every_s=2)
    until(
        lambda: guest.try_ssh("test -e /var/lib/cloud/instance/boot-finished").returncode == 0,
        "cloud-init",
        deadline_s=BOOT_S,
        every_s=2,
    )
    assert guest.try_ssh("cloud-init status").stdout.strip() == "status: done", guest.ssh(
        "cat /run/cloud-init/result.json"
    )
    assert guest.ssh("hostname") == name
    return guest


@pytest.mark.usefixtures("debian")
def test_debians_cloud_init_takes_key_name_and_user_data(cloud: Cloud, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_text("#cloud-config\nwrite_files:\n- path: /etc/written\n  content: by cloud-init\n")
    openstack(
        cloud,
        words(
            "server create --image debian --flavor debian --network shared --key-name demo "
            f"--user-data {script} --wait ordinary"
        ),
    )
    guest = wait_for_cloud_init(cloud, "ordinary")
    assert guest.ssh("cat /etc/written") == "by cloud-init"
    assert "DataSourceOpenStack" in guest.ssh("cat /run/cloud-init/result.json"), "not by the metadata service"
    assert int(guest.ssh("df -m / | tail -n 1").split()[1]) > 2000, "the root disk has not grown"
    openstack(cloud, words("server delete --wait ordinary"))


@pytest.mark.usefixtures("debian")
def test_debians_cloud_init_writes_the_files_that_a_server_was_made_with(cloud: Cloud) -> None:
    demo = cloud.sdk()
    server = {
        "name": "filed", "imageRef": demo.image.find_image("debian").id, "key_name": "demo",
        "flavorRef": demo.compute.find_flavor("debian").id, "networks": [{"uuid": demo.network.find_network("shared").id}],
        "personality": [{"path": "/etc/injected", "contents": base64.b64encode(b"by the config drive").decode()}],
    }  # fmt: skip
    reply = demo.compute.post("/servers", json={"server": server}, microversion="2.56")
    assert reply.status_code == 202, reply.text
    guest = wait_for_cloud_init(cloud, "filed")
    assert "DataSourceConfigDrive" in guest.ssh("cat /run/cloud-init/result.json")
    assert guest.ssh("sudo cat /etc/injected") == "by the config drive"
    openstack(cloud, words("server delete --wait filed"))
