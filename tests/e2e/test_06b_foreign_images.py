"""Images as VirtualBox, VMware and Hyper-V export them: imported in one command, converted, and a server boots from them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_openstack import openstack, words
from tests.unit.ova_files import VMWARE, ova

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]

FORMATS = {
    "ova": ("vmdk", "subformat=streamOptimized"), "vmdk": ("vmdk", "subformat=monolithicSparse"), "vdi": ("vdi", ""),
    "vhd": ("vpc", ""), "vhdx": ("vhdx", ""),
}  # fmt: skip


def exported(folder: Path, kind: str) -> Path:
    """Our own guest, as another hypervisor would have it."""
    guest = Path(os.environ["CUMULET_TEST_CACHE"], "guest", "cumulet-guest.qcow2")
    disk_format, options = FORMATS[kind]
    target = folder / f"machine.{kind}"
    more = ["-o", options] if options else []
    subprocess.run(
        ["qemu-img", "convert", "-q", "-f", "qcow2", "-O", disk_format, *more, str(guest), str(target)], check=True
    )
    if kind == "ova":
        text = VMWARE.format(controller="virtio", kind="20", nic="virtio", more="", file="", disk="")
        target.write_bytes(ova(target.read_bytes(), text))
    return target


@pytest.mark.parametrize("kind", ["ova", "vmdk", "vdi", "vhd", "vhdx"])
def test_a_server_boots_from_what_another_hypervisor_exported(cloud: Cloud, tmp_path: Path, kind: str) -> None:
    file = exported(tmp_path, kind)
    image = cloud.cumulet("image", "import", "--name", f"from-{kind}", str(file), cloud="cumulet")
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "qcow2", "bare")
    if kind == "ova":
        assert (image["properties"]["hw_disk_bus"], image["properties"]["hw_vif_model"]) == ("virtio", "virtio")
    create = f"server create --image from-{kind} --flavor c1.tiny --network shared --key-name demo --wait from-{kind}"
    openstack(cloud, words(create))
    guest = e2e_guest.find(cloud, f"from-{kind}")
    guest.wait_for_ssh()
    assert guest.ssh("hostname") == f"from-{kind}"
    openstack(cloud, words(f"server delete --wait from-{kind}"), words(f"image delete from-{kind}"))
