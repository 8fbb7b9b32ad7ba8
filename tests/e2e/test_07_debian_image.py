"""An ordinary Debian with its own cloud-init: it must need nothing that only our small guest knows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
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


def test_debians_cloud_init_takes_key_name_and_user_data(cloud: Cloud, image: Path, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_text("#cloud-config\nwrite_files:\n- path: /etc/written\n  content: by cloud-init\n")
    openstack(
        cloud,
        words("flavor create --vcpus 1 --ram 512 --disk 3 debian"),
        words(f"image create --disk-format qcow2 --container-format bare --public --file {image} debian"),
        user="cumulet-admin",
    )
    openstack(
        cloud,
        words(
            "server create --image debian --flavor debian --network shared --key-name demo "
            f"--user-data {script} --wait ordinary"
        ),
    )
    guest = replace(e2e_guest.find(cloud, "ordinary"), user="debian")  # as Debian's cloud-init has it
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
    assert guest.ssh("hostname") == "ordinary"
    assert guest.ssh("cat /etc/written") == "by cloud-init"
    assert "DataSourceOpenStack" in guest.ssh("cat /run/cloud-init/result.json"), "not by the metadata service"
    assert int(guest.ssh("df -m / | tail -n 1").split()[1]) > 2000, "the root disk has not grown"
    openstack(cloud, words("server delete --wait ordinary"))
    openstack(cloud, words("image delete debian"), words("flavor delete debian"), user="cumulet-admin")
