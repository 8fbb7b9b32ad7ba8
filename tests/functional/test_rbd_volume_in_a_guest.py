"""A real guest that boots from an image of a real Ceph pool, and has another one as a disk, with cephx on."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.ids import new_id
from common.rpc.compute_v1 import InstanceSpec, PowerState
from common.rpc.volume_commands import (
    EnsureVolume,
    EnsureVolumeAbsent,
    EnsureVolumeSnapshotAbsent,
    PlugVolume,
    ResizeVolume,
    RevertVolume,
    SnapshotVolume,
    UnplugVolume,
    VolumeDisk,
)
from compute_agent.hypervisor import domain_xml
from compute_agent.storage import qemu_img
from tests.fixtures.ceph import Ceph, ceph, missing
from tests.fixtures.e2e_wait import until
from tests.fixtures.private_libvirt import PrivateLibvirt, available, guests_folder, private_libvirt
from tests.unit.agent.box import Box, Orders, instance_spec
from tests.unit.storage.image_server import image_server

pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.full,
    pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
MIB, GIB = 2**20, 2**30
SCRIPT = f"""#!/bin/sh
exec >/dev/ttyS0 2>&1
find_disk() {{
    for disk in /sys/block/vd*; do [ "$(cat $disk/serial)" = "@SERIAL@" ] && echo ${{disk##*/}}; done
}}
fill() {{
    yes $1 | head -c {MIB} | dd of=/dev/$name bs={MIB} conv=notrunc,fsync 2>/tmp/said || echo "guest: failed: $(cat /tmp/said)"
    echo "guest: wrote $1"
}}
echo "guest: booted from $(cat /sys/block/vda/serial)"
n=0
while :; do
    while name=$(find_disk); [ -z "$name" ]; do sleep 0.2; done
    n=$((n + 1))
    was=$(cat /sys/block/$name/size)
    echo "guest: disk $n has $was sectors and $(head -c {MIB} /dev/$name | md5sum)"
    if [ $n = 1 ]; then
        fill first
        while [ "$(cat /sys/block/$name/size)" = "$was" ]; do sleep 0.2; done
        echo "guest: grown to $(cat /sys/block/$name/size) sectors"
        fill second
    fi
    while [ -n "$(find_disk)" ]; do sleep 0.2; done
    echo "guest: disk $n is gone"
done
"""


def written(word: str) -> str:
    """The sum of a MiB of it."""
    return hashlib.md5((f"{word}\n" * MIB)[:MIB].encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def folder() -> Iterator[Path]:
    with guests_folder() as made:
        yield made


@pytest.fixture
def cluster(folder: Path) -> Iterator[Ceph]:
    with ceph(folder / "ceph") as running:
        yield running


@pytest.fixture
def libvirt(folder: Path) -> Iterator[PrivateLibvirt]:
    with private_libvirt(folder / "libvirt", own_network=False) as running:
        yield running


@pytest.fixture
def box(folder: Path, cluster: Ceph, libvirt: PrivateLibvirt) -> Iterator[Box]:
    storage = {
        "volume_backends": "files,rbd", "rbd_pool": cluster.pool.name, "rbd_user": cluster.pool.user,
        "rbd_conf_file": str(cluster.pool.conf_file), "rbd_key_file": str(cluster.pool.key_file),
    }  # fmt: skip
    found = Box(folder / "agent", storage, driver="qemu", libvirt_uri=libvirt.uri)
    yield found
    found.agent.stop()
    found.agent.hypervisor.close()


class Guest:
    """One server of this node, its root and its other volume."""

    def __init__(self, box: Box) -> None:
        self.box, self.orders = box, Orders(box.clock)
        self.root = VolumeDisk(id=new_id(), disk_format="raw", device="vda", boots=True, backend="rbd")
        self.disk = VolumeDisk(id=new_id(), disk_format="raw", device="vdc", backend="rbd")
        self._generation = 1

    def spec(self) -> InstanceSpec:
        found = instance_spec(self.orders.instance_id)
        user_data = base64.b64encode(SCRIPT.replace("@SERIAL@", self.disk.id[:20]).encode()).decode()
        guest = msgspec.structs.replace(found.guest, user_data_b64=user_data)
        return msgspec.structs.replace(
            found, guest=guest, ports=[], networks=[], config_drive=True, image=None, volumes=[self.root], root_gib=0
        )

    def tell(self, kind: type[Any], about: VolumeDisk | None = None, **more: Any) -> Any:
        """Raises AssertionError when it fails. about: None for a command to the server."""
        self._generation += 1
        fields = self.orders._fields(1 if about is None else 0, self._generation)
        if about is not None:
            fields |= {"volume_id": about.id, "backend": "rbd"}
            fields["instance_id"] = more.pop("instance_id", "")
        done = self.do(kind(**fields, **more))
        assert (done.code, done.detail) == ("", ""), done
        return done

    def do(self, command: Any) -> Any:
        self.box.tell(command)

        def ended() -> Any:
            self.box.agent.run_pending()
            self.box.clock.advance(0.25)
            return self.box.results(command)

        return until(ended, command.step or type(command).__name__, deadline_s=120)[-1]

    def boot(self) -> None:
        image = Path(os.environ["CUMULET_TEST_CACHE"], "guest", "cumulet-guest.qcow2").read_bytes()
        with image_server() as images:
            served = msgspec.structs.replace(images.add(image, "qcow2"), virtual_size_bytes=64 * MIB)
            self.tell(EnsureVolume, self.root, size_gib=1, disk_format="raw", image=served)
        created = self.do(msgspec.structs.replace(self.orders.create(), spec=self.spec()))
        assert (created.code, created.detail, created.power) == ("", "", PowerState.RUNNING)

    def waits_for(self, text: str) -> str:
        path = self.box.agent.storage.console_log(self.orders.instance_id)

        def look() -> str | None:
            said = path.read_text(errors="replace") if path.exists() else ""
            return next((line for line in said.splitlines() if text in line), None)

        try:
            return until(look, f"the guest says {text!r}", deadline_s=300, every_s=0.5)
        except AssertionError as err:
            raise AssertionError(f"{err}\n{path.read_text(errors='replace')[-3000:]}") from err

    def plug(self) -> None:
        self.tell(PlugVolume, device_id=self.disk.id, volume=self.disk)

    def unplug(self) -> None:
        self.tell(UnplugVolume, device_id=self.disk.id, device="vdc")


def test_bytes_outlive_detachment_growth_and_a_snapshot_is_what_they_were(box: Box, cluster: Ceph) -> None:
    guest, snapshot_id, copy = Guest(box), new_id(), VolumeDisk(id=new_id(), disk_format="raw", device="")
    guest.boot()
    try:
        guest.waits_for(f"guest: booted from {guest.root.id[:20]}")
        guest.tell(EnsureVolume, guest.disk, size_gib=1, disk_format="raw")
        guest.plug()
        guest.waits_for(f"guest: disk 1 has {GIB // 512} sectors")
        guest.waits_for("guest: wrote first")
        guest.tell(SnapshotVolume, guest.disk, disk_format="raw", snapshot_id=snapshot_id)
        source = {"source_volume_id": guest.disk.id, "source_format": "raw", "source_backend": "rbd"}
        guest.tell(EnsureVolume, copy, size_gib=1, disk_format="raw", **source)
        running = {"instance_id": guest.orders.instance_id, "device": "vdc"}
        guest.tell(ResizeVolume, guest.disk, disk_format="raw", size_gib=2, **running)
        guest.waits_for(f"guest: grown to {2 * GIB // 512} sectors")
        guest.waits_for("guest: wrote second")
        guest.unplug()
        guest.waits_for("guest: disk 1 is gone")
        box.restart()
        guest.plug()
        assert written("second") in guest.waits_for("guest: disk 2 has")
        guest.unplug()
        guest.waits_for("guest: disk 2 is gone")
        guest.tell(RevertVolume, guest.disk, disk_format="raw", size_gib=2, snapshot_id=snapshot_id)
        guest.plug()
        said = guest.waits_for("guest: disk 3 has")
        assert (written("first") in said, f"{2 * GIB // 512} sectors" in said) == (True, True)
        _check_secrecy(box, cluster, guest)
    finally:
        removed = guest.do(guest.orders.remove(generation=99))
    assert (removed.code, removed.absent) == ("", True)
    guest.tell(EnsureVolumeSnapshotAbsent, guest.disk, snapshot_id=snapshot_id)
    assert _sum(box, copy) == written("first")
    for volume in (guest.root, guest.disk, copy):
        guest.tell(EnsureVolumeAbsent, volume)
    assert cluster.rbd("ls", cluster.pool.name) == ""


def _sum(box: Box, volume: VolumeDisk) -> str:
    """Of the volume's first MiB."""
    plain, store = box.folder / "plain", box.agent.volume_stores.of("rbd")
    qemu_img.convert_from(store.file(volume.id, "raw").source(), plain, "raw")
    with plain.open("rb") as file:
        return hashlib.md5(file.read(MIB), usedforsecurity=False).hexdigest()


def _check_secrecy(box: Box, cluster: Ceph, guest: Guest) -> None:
    """The key is in no definition and no argument list."""
    assert cluster.pool.key_file is not None
    key = cluster.pool.key_file.read_text()
    live = box.agent.hypervisor._host.live_xml(guest.orders.instance_id)  # type: ignore[attr-defined]
    assert domain_xml.secret_uuid(cluster.pool) in live
    told = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert any(guest.root.id.encode() in each for each in told), "QEMU's arguments were not among them"
    assert not any(key.encode() in text for text in (*told, live.encode()))
