"""devstack/down leaves nothing running; the next up brings the server back; a reboot of the machine too; --purge."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fixtures.e2e_cloud import OUTSIDE, Cloud, host, processes
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.one_node]

OURS = ("cumulet-api", "cumulet-scheduler", "cumulet-compute-agent", "cumulet-console", "supervisord", "qemu-system",
        "dnsmasq", "libvirtd", "virtlogd")  # fmt: skip
FOREIGN = "otherfilter"


def remains() -> list[str]:
    """What a cloud has in the sandbox: processes, devices, namespaces, tables, domains."""
    running = [" ".join(words) for words in processes().values() if any(name in " ".join(words[:2]) for name in OURS)]
    devices = [path.name for path in Path("/sys/class/net").glob("cml*")]
    namespaces = [path.name for path in Path("/run/netns").iterdir() if path.name != OUTSIDE]
    tables = [line for line in host("nft", "list", "tables").splitlines() if "cml" in line]
    domains = [str(path) for top in ("/etc/libvirt/qemu", "/run/libvirt/qemu") for path in Path(top).glob("cml*.xml")]
    return running + devices + namespaces + tables + domains


@pytest.fixture(scope="module")
def foreign() -> None:
    """Somebody else's table and bridge, which are none of our business."""
    host("nft", "add", "table", "inet", FOREIGN)
    host("ip", "link", "add", "otherbr0", "type", "bridge")


def test_down_leaves_nothing_and_up_brings_the_server_back(cloud: Cloud, first: Guest, foreign: None) -> None:
    before = first.boot_id()
    first.ssh("echo kept >/root/file; sync")
    cloud.script("down")
    assert remains() == []
    again = cloud.script("up")
    assert again.value("SERVER_ID") == cloud.server_id
    assert first.ssh("cat /root/file") == "kept"
    assert first.boot_id() not in ("", before)
    assert first.status() == "ACTIVE"


def kill(*names: str) -> None:
    """As a power cut does: nobody gets to say anything."""

    def running() -> list[int]:
        return [pid for pid, words in processes().items() if any(name in " ".join(words[:2]) for name in names)]

    for pid in running():
        with suppress(ProcessLookupError):  # ended by itself, or with its parent
            os.kill(pid, signal.SIGKILL)
    until(lambda: not running(), f"the end of {names}", deadline_s=20)


def forget_the_kernels_part() -> None:
    for path in Path("/run/netns").iterdir():
        if path.name != OUTSIDE:
            host("ip", "netns", "delete", path.name)
    # The kernel takes a deleted namespace apart later: a pair's end in it takes the end here along, at any moment.
    for path in Path("/sys/class/net").glob("cml*"):
        subprocess.run(["ip", "link", "delete", path.name], capture_output=True, timeout=60, check=False)
    until(lambda: not list(Path("/sys/class/net").glob("cml*")), "the end of all devices", deadline_s=20)
    for line in host("nft", "list", "tables").splitlines():
        if "cml" in line:
            host("nft", "delete", *line.split())
    for entry in Path("/run/libvirt").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@pytest.mark.full
def test_guests_are_back_after_the_machine_has_rebooted(cloud: Cloud, first: Guest) -> None:
    before = first.boot_id()
    kill("supervisord")  # first, or it would start its own again
    kill(*OURS)
    forget_the_kernels_part()
    assert remains() == [f"/etc/libvirt/qemu/cml-{first.id}.xml"], "the definition outlives a reboot, nothing else"
    (cloud.state / "agent/boot.id").write_text(f"{uuid.uuid4()}\n")  # of the boot before; the kernel's can't be changed
    cloud.script("up")
    assert first.ssh("cat /root/file") == "kept"
    assert first.boot_id() not in ("", before)
    assert [line for line in cloud.events("compute-agent") if line["event"] == "recovery.guest_started"]


def test_purge_removes_the_data_and_nothing_of_others(cloud: Cloud, first: Guest, foreign: None) -> None:
    """Also when libvirtd has died and left a guest running."""
    kill("libvirtd", "virtlogd")
    assert cloud.qemu_pid(first.id)
    shutil.copytree(cloud.logs, cloud.kept / "log")
    cloud.script("down", "--purge")
    assert remains() == []
    assert [path.name for path in cloud.client.iterdir()] == []
    assert {path.name for path in cloud.state.iterdir()} <= {cloud.client.name, cloud.kept.name}
    assert FOREIGN in host("nft", "list", "tables")
    assert Path("/sys/class/net/otherbr0").exists()
    host("nft", "delete", "table", "inet", FOREIGN)
    host("ip", "link", "delete", "otherbr0")
    cloud.script("down")  # a second time is no error
