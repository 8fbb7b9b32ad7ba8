"""A volume of one node, served over NBD: guests of other nodes boot from it, one after another, and lose nothing they wrote."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]
DONE_S = 60.0
PATTERN = "dd if=/dev/urandom of=/root/pattern bs=1M count=16 conv=fsync 2>/dev/null; sync; sha256sum </root/pattern"


@pytest.fixture(scope="module")
def root_volume(lab: Lab) -> str:
    image = next(iter(lab.sdk().image.images(name="cumulet-guest")))
    made = lab.sdk().block_storage.create_volume(size=1, image_id=image.id, volume_type="served", name="root")
    wait_for(lab, made.id, "available")
    return str(made.id)


def wait_for(lab: Lab, volume_id: str, status: str) -> None:
    until(
        lambda: lab.sdk().block_storage.get_volume(volume_id).status == status, f"volume {volume_id} {status}",
        deadline_s=DONE_S, every_s=0.3,
    )  # fmt: skip


def home(lab: Lab, volume_id: str) -> int:
    """Number of the node that has its file."""
    host = str(lab.sdk("cumulet-admin").block_storage.get_volume(volume_id).host)
    assert host.endswith("@nbd#nbd")
    return int(host.partition("@")[0].removeprefix("node"))


def booted(lab: Lab, name: str, volume_id: str, avoided: list[Guest]) -> Guest:
    """A server that boots from the volume, on none of the nodes of these guests."""
    compute, network = lab.sdk().compute, lab.sdk().network
    root: dict[str, Any] = {"uuid": volume_id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    made = compute.create_server(
        name=name, flavor_id=compute.find_flavor("c1.tiny").id, image_id="", block_device_mapping=[root],
        networks=[{"uuid": network.find_network("shared").id}], key_name="demo",
        scheduler_hints={"different_host": [each.id for each in avoided]},
    )  # fmt: skip
    guest = e2e_guest.find(lab, made.id)
    guest.wait_for_status("ACTIVE")
    guest.wait_for_ssh()
    return guest


def test_guests_of_two_other_nodes_boot_from_it_and_keep_what_was_written(
    lab: Lab, homes: dict[int, list[Guest]], root_volume: str
) -> None:
    store = home(lab, root_volume)
    first = booted(lab, "served-1", root_volume, homes[store])
    here = lab.node_of(first)
    assert here != store
    assert first.ssh("cat /sys/block/vda/serial") == root_volume[:20]
    written = first.ssh(PATTERN, timeout_s=DONE_S)
    pids = f"{lab.top}/self/run/nbd/node{store}/exports/*.pid"
    lab.on_node(store, "sh", "-c", f"kill -9 $(cat {pids})")
    written = first.ssh(f"echo again >/root/mark; {PATTERN}", timeout_s=DONE_S)
    boot = first.boot_id()
    lab.sdk().compute.reboot_server(first.id, "HARD")
    first.wait_for_other_boot(boot)
    assert first.ssh("sha256sum </root/pattern") == written
    lab.sdk().delete_server(first.id, wait=True, timeout=90)
    wait_for(lab, root_volume, "available")
    second = booted(lab, "served-2", root_volume, [*homes[store], *homes[here]])
    assert lab.node_of(second) not in (store, here)
    assert second.ssh("cat /root/mark; sha256sum </root/pattern").splitlines() == ["again", written]
    lab.sdk().delete_server(second.id, wait=True, timeout=90)
    wait_for(lab, root_volume, "available")
    until(
        lambda: not lab.on_node(store, "sh", "-c", f"ls {pids} 2>/dev/null || true").split(),
        "no export",
        deadline_s=DONE_S,
    )
    lab.sdk().block_storage.delete_volume(root_volume)
