"""A real guest writes to a volume that is served over NBD, while the daemons on both sides are killed under it."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
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
    ExportVolume,
    PlugVolume,
    ResizeVolume,
    SnapshotVolume,
    UnplugVolume,
    VolumeDisk,
    VolumeExport,
    WithdrawExport,
)
from compute_agent.storage import qemu_img
from tests.fixtures import certificates
from tests.fixtures.e2e_wait import until
from tests.fixtures.ports import free_port
from tests.fixtures.private_libvirt import PrivateLibvirt, available, guests_folder, private_libvirt
from tests.unit.agent.box import NODE, Box, Orders, instance_spec
from tests.unit.storage.image_server import image_server

pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.full,
    pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU"),
]
BLOCKS, BLOCK = 32, 1024 * 1024
#: block k holds the number k, as ten digits and a newline, again and again: no two are alike
SCRIPT = f"""#!/bin/sh
exec >/dev/ttyS0 2>&1
name=
while [ -z "$name" ]; do
    for disk in /sys/block/vd*; do [ "$(cat $disk/serial)" = "@SERIAL@" ] && name=${{disk##*/}}; done
    sleep 0.2
done
echo "writer: begins on $name"
k=0
while [ $k -lt {BLOCKS} ]; do
    yes "$(printf %010d $k)" | head -c {BLOCK} >/tmp/block
    dd if=/tmp/block of=/dev/$name bs={BLOCK} seek=$k conv=notrunc 2>/tmp/said || echo "writer: failed at $k: $(cat /tmp/said)"
    [ $((k % 4)) -ne 3 ] || sync
    echo "writer: block $k"
    k=$((k + 1))
done
sync
echo 3 >/proc/sys/vm/drop_caches
echo "writer: sum $(head -c {BLOCKS * BLOCK} /dev/$name | md5sum)"
while true; do echo "writer: size: $(($(cat /sys/block/$name/size) * 512))"; sleep 1; done
"""


def pattern() -> bytes:
    return b"".join((f"{k:010d}\n".encode() * (BLOCK // 11 + 1))[:BLOCK] for k in range(BLOCKS))


@pytest.fixture
def folder() -> Iterator[Path]:
    with guests_folder() as made:
        yield made


@pytest.fixture
def libvirt(folder: Path) -> Iterator[PrivateLibvirt]:
    with private_libvirt(folder / "libvirt") as running:
        yield running


@pytest.fixture
def box(folder: Path, libvirt: PrivateLibvirt) -> Iterator[Box]:
    made = certificates.make_for_nodes(folder / "certificates", NODE)[NODE]
    storage = {
        "volume_backends": "files,nbd", "nbd_ca_file": str(made.ca_file), "nbd_cert_file": str(made.cert_file),
        "nbd_key_file": str(made.key_file),
    }  # fmt: skip
    found = Box(folder / "agent", storage, driver="qemu", libvirt_uri=libvirt.uri)
    yield found
    found.agent.stop()
    found.agent.hypervisor.close()
    for path in folder.glob("agent/run/nbd/*/*/*.pid"):
        os.kill(int(path.read_text()), signal.SIGKILL)


class Guest:
    """One server and one volume of this node, served to itself."""

    def __init__(self, box: Box) -> None:
        self.box, self.orders, self.volume_id = box, Orders(box.clock), new_id()
        self.export = VolumeExport(id=new_id(), address="127.0.0.1", port=free_port(), server_name=NODE)
        self.disk = VolumeDisk(id=self.volume_id, disk_format="raw", device="vdc", export=self.export)
        self._generation = 1

    def spec(self) -> InstanceSpec:
        found = instance_spec(self.orders.instance_id)
        user_data = base64.b64encode(SCRIPT.replace("@SERIAL@", self.volume_id[:20]).encode()).decode()
        guest = msgspec.structs.replace(found.guest, user_data_b64=user_data)
        return msgspec.structs.replace(found, guest=guest, ports=[], networks=[], config_drive=True)

    def tell(self, kind: type[Any], **more: Any) -> None:
        """Raises AssertionError when it fails."""
        done = self.do(kind, **more)
        assert (done.code, done.detail) == ("", ""), done

    def do(self, kind: type[Any], *, in_guest: bool = False, **more: Any) -> Any:
        """in_guest: the command is about the guest's disk, too."""
        self._generation += 1
        fields = self.orders._fields(1 if "device_id" in more else 0, self._generation)
        if "device_id" not in more:
            instance_id = self.orders.instance_id if in_guest else ""
            fields |= {"instance_id": instance_id, "volume_id": self.volume_id}
        command = kind(**fields, **more)
        self.box.tell(command)

        def ended() -> Any:
            self.box.agent.run_pending()
            self.box.clock.advance(0.25)
            return self.box.results(command)

        return until(ended, command.step or kind.__name__, deadline_s=120)[-1]

    def boot(self) -> None:
        image = Path(os.environ["CUMULET_TEST_CACHE"], "guest", "cumulet-guest.qcow2").read_bytes()
        with image_server() as images:
            served = msgspec.structs.replace(images.add(image, "qcow2"), virtual_size_bytes=64 * 1024**2)
            created = self.box.do(
                msgspec.structs.replace(self.orders.create(), spec=msgspec.structs.replace(self.spec(), image=served))
            )
        assert (created.code, created.detail, created.power) == ("", "", PowerState.RUNNING)

    def console(self) -> str:
        path = self.box.agent.storage.console_log(self.orders.instance_id)
        return path.read_text(errors="replace") if path.exists() else ""

    def says(self, text: str) -> str | None:
        return next((line for line in self.console().splitlines() if text in line), None)

    def waits_for(self, text: str) -> str:
        """While the agent looks after its daemons and guests, as it does every second."""

        def look() -> str | None:
            self.box.clock.advance(6)
            self.box.agent.look_after()
            return self.says(text)

        try:
            return until(look, f"the guest says {text!r}", deadline_s=200, every_s=0.5)
        except AssertionError as err:
            raise AssertionError(f"{err}\n{self.console()[-3000:]}") from err

    def kill(self, side: str) -> None:
        [path] = self.box.folder.glob(f"run/nbd/*/{side}/{self.export.id}.pid")
        os.kill(int(path.read_text()), signal.SIGKILL)

    def daemons(self) -> list[str]:
        return sorted(path.parent.name for path in self.box.folder.glob("run/nbd/*/*/*.pid"))


def test_nothing_that_the_guest_wrote_is_lost_and_it_sees_its_disk_grow(box: Box) -> None:
    guest = Guest(box)
    guest.tell(EnsureVolume, size_gib=1, disk_format="raw")
    guest.boot()
    guest.tell(ExportVolume, disk_format="raw", export=guest.export, client_name=NODE)
    try:
        guest.tell(PlugVolume, device_id=guest.volume_id, volume=guest.disk)
        guest.waits_for("writer: block 5")
        guest.kill("exports")  # the storage node's daemon
        guest.waits_for("writer: block 12")
        snapshot_id = new_id()
        guest.tell(SnapshotVolume, disk_format="raw", snapshot_id=snapshot_id)
        guest.kill("guests")  # the daemon between the guest and the network: the guest pauses, and goes on
        guest.waits_for("writer: block 20")
        box.restart()
        guest.kill("exports")
        guest.kill("guests")
        said = guest.waits_for("writer: sum")
        wanted = pattern()
        assert hashlib.md5(wanted, usedforsecurity=False).hexdigest() in said, guest.console()
        assert guest.says("failed") is None
        guest.tell(ResizeVolume, disk_format="raw", size_gib=2)
        guest.tell(ResizeVolume, disk_format="raw", size_gib=2, export_id=guest.export.id, device="vdc", in_guest=True)
        guest.waits_for(f"size: {2 * 1024**3}")
        guest.tell(UnplugVolume, device_id=guest.volume_id, device="vdc", export_id=guest.export.id)
        assert guest.daemons() == ["exports"]
        guest.tell(WithdrawExport, export_id=guest.export.id)
        assert guest.daemons() == []
        volume = box.agent.volumes.file(guest.volume_id, "raw").path
        with volume.open("rb") as file:
            assert file.read(len(wanted)) == wanted
        _check_snapshot(box.agent.volumes.snapshot_file(snapshot_id), wanted)
        assert volume.stat().st_size == 2 * 1024**3
    finally:
        removed = box.do(guest.orders.remove(generation=99))
    assert (removed.code, removed.absent) == ("", True)
    guest.tell(EnsureVolumeAbsent)
    assert guest.daemons() == []


def _check_snapshot(path: Path, wanted: bytes) -> None:
    """Blocks of before the snapshot are in it, whole; none is there of which a later part is, and an earlier isn't."""
    plain = path.with_suffix(".raw")
    qemu_img.convert(path, "qcow2", plain, "raw")
    with plain.open("rb") as file:
        found = [file.read(BLOCK) == wanted[k * BLOCK : (k + 1) * BLOCK] for k in range(BLOCKS)]
    assert all(found[:4])
    assert not all(found)
