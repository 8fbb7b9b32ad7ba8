"""Foreign formats are converted on import, within bounds; appliances bring their properties along."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from api.request import Services
from common import tool
from common.config import Config, ImageConfig
from common.errors import ToolFailed
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import V2, patch, qcow2, register, stored_files, uploaded
from tests.functional.image.imports import FOREIGN, disk, foreign, imported, same_disk, stage, start, tasks, work
from tests.unit.image_headers import iso
from tests.unit.ova_files import ova, pack, special, vmware

MIB = 1024 * 1024


@pytest.fixture
def config(config: Config) -> Config:
    limits = ImageConfig(store_dir=config.image.store_dir, max_size_mib=16, max_virtual_gib=1)
    return dataclasses.replace(config, image=limits)


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_disks_become_qcow2(api_client: ApiClient, tmp_path: Path, kind: str) -> None:
    raw = disk(tmp_path)
    declared = kind.partition("-")[0]
    image = imported(api_client, foreign(raw, kind).read_bytes(), disk_format=declared)
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "qcow2", "bare"), image
    assert image["virtual_size"] >= 3 * MIB
    data = api_client.get(f"{V2}/{image['id']}/file").data
    assert same_disk(raw, data)
    assert (image["size"], image["os_hash_value"]) == (len(data), hashlib.sha512(data).hexdigest())
    assert tasks(api_client, image["id"]) == [("success", f"Converted from {declared} to qcow2.")]
    assert [path.name for path in stored_files(api_client)] == [image["id"]]


def test_what_nodes_boot_is_not_touched(api_client: ApiClient, tmp_path: Path) -> None:
    for disk_format, data in (("raw", disk(tmp_path).read_bytes()), ("qcow2", qcow2()), ("iso", iso())):
        image = imported(api_client, data, disk_format=disk_format)
        assert (image["status"], image["disk_format"]) == ("active", disk_format)
        assert api_client.get(f"{V2}/{image['id']}/file").data == data


def test_an_upload_in_one_piece_stays_as_it_is(api_client: ApiClient, tmp_path: Path) -> None:
    """Clients compare the hash of what they sent with what is kept."""
    data = foreign(disk(tmp_path), "vmdk").read_bytes()
    image = uploaded(api_client, data=data, disk_format="vmdk")
    assert (image["disk_format"], image["size"]) == ("vmdk", len(data))


def test_an_appliance(api_client: ApiClient, tmp_path: Path) -> None:
    raw = disk(tmp_path)
    data = ova(foreign(raw, "vmdk").read_bytes(), vmware(kind="20", controller="AHCI"))
    image = imported(api_client, data, disk_format="vmdk", container_format="ova", hw_vif_model="rtl8139", name="mine")
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "qcow2", "bare"), image
    assert (image["hw_disk_bus"], image["hw_firmware_type"], image["os_type"]) == ("sata", "bios", "linux")
    assert (image["ovf_name"], image["ovf_vcpus"], image["ovf_memory_mib"]) == ("the vm", "2", "1024")
    assert (image["hw_vif_model"], image["name"]) == ("rtl8139", "mine"), "what the owner has set stays"
    assert same_disk(raw, api_client.get(f"{V2}/{image['id']}/file").data)
    assert [path.name for path in stored_files(api_client)] == [image["id"]]


def test_a_property_set_while_the_import_runs_is_kept(
    api_client: ApiClient, services: Services, tmp_path: Path
) -> None:
    image = register(api_client, disk_format="vmdk", container_format="ova")
    stage(api_client, image["id"], data=ova(foreign(disk(tmp_path), "vmdk").read_bytes()))
    start(api_client, image["id"], {"method": {"name": "glance-direct"}})
    patch(api_client, image["id"], {"op": "add", "path": "/hw_disk_bus", "value": "ide"})
    work(services)
    shown = api_client.get(f"{V2}/{image['id']}").json
    assert (shown["status"], shown["hw_disk_bus"]) == ("active", "ide")


def _bad_appliances() -> dict[str, bytes]:
    return {
        "a link": pack([("vm.ovf", vmware().encode()), (special("disk.vmdk", b"2", "/etc/passwd"), b"")]),
        "not vmdk": ova(qcow2()), "plain vmdk header": ova(b"KDMV" + b"\0" * 4096),
        "descriptor": ova(b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n'),
        "no archive": b"x" * 4096, "no description": pack([("disk.vmdk", b"x")]),
    }  # fmt: skip


@pytest.mark.parametrize("what", _bad_appliances())
def test_bad_appliances_leave_nothing(api_client: ApiClient, what: str) -> None:
    image = imported(api_client, _bad_appliances()[what], disk_format="vmdk", container_format="ova")
    assert image["status"] == "queued"
    assert image["os_glance_upload_failure"]
    assert stored_files(api_client) == []


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["vmdk", "vmdk-sparse", "vdi", "vhd", "vhdx"])
def test_a_foreign_disk_that_is_cut_off_or_damaged(
    api_client: ApiClient, tmp_path: Path, kind: str, cut: float
) -> None:
    data = foreign(disk(tmp_path), kind).read_bytes()
    image = imported(api_client, data[: int(len(data) * cut)], disk_format=kind.partition("-")[0])
    assert image["status"] in ("queued", "active"), image
    if image["status"] == "active":  # what was cut off was nothing but room
        assert same_disk(disk(tmp_path), api_client.get(f"{V2}/{image['id']}/file").data)
        return
    assert "qemu-img:" not in image["os_glance_upload_failure"]
    assert stored_files(api_client) == []


def test_a_disk_that_unpacks_to_more_than_is_allowed(api_client: ApiClient, tmp_path: Path) -> None:
    """IMG-12: streamOptimized grains are compressed; the bound of the output holds, and nothing is left."""
    raw = tmp_path / "bomb.raw"
    raw.write_bytes(b"\x01" * (40 * MIB))
    data = foreign(raw, "vmdk").read_bytes()
    assert len(data) < MIB
    image = imported(api_client, data, disk_format="vmdk")
    assert image["status"] == "queued"
    assert "more than" in image["os_glance_upload_failure"]
    assert stored_files(api_client) == []


def test_a_virtual_size_beyond_the_bound(api_client: ApiClient, tmp_path: Path) -> None:
    """IMG-11 for imports."""
    raw = disk(tmp_path, 2 * 1024 * MIB)
    image = imported(api_client, foreign(raw, "vdi").read_bytes(), disk_format="vdi")
    assert (image["status"], "2147483648" in image["os_glance_upload_failure"]) == ("queued", True)


@pytest.mark.parametrize(("script", "limits"), [
    ("x = bytearray(256 * 1024 ** 2)", {"address_space_mib": 128}), ("while True: pass", {"cpu_s": 1}),
    ("f = open('big', 'wb'); f.write(bytes(4 * 1024 ** 2))", {"file_size_mib": 1}),
    ("import socket; socket.create_connection(('127.0.0.1', PORT), 2)", {"network": False}),
])  # fmt: skip
def test_a_tool_that_takes_too_much_dies(script: str, limits: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    """IMG-10: memory, time, output, network; the same script runs without the limit."""
    import socket
    import sys

    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [sys.executable, "-S", "-c", script.replace("PORT", str(listener.getsockname()[1]))]
        with pytest.raises(ToolFailed):
            tool.run(words, timeout_s=20, limits=tool.Limits(**limits))
        if "cpu_s" not in limits:
            tool.run(words, timeout_s=20)
