"""The agent on a real libvirt and QEMU, with real disks: a guest without an operating system, through all verbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from common.rpc.compute_v1 import EnsureInstance, EnsureRunning, InstanceSpec, PowerState, RebootInstance, RebootMode
from tests.fixtures.private_libvirt import PrivateLibvirt, available, guests_folder, private_libvirt
from tests.unit import image_headers
from tests.unit.agent.box import Box, Orders, instance_spec
from tests.unit.storage.image_server import image_server

pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    with guests_folder("cml-agent-") as made:
        yield made


@pytest.fixture
def libvirt(folder: Path) -> Iterator[PrivateLibvirt]:
    with private_libvirt(folder / "libvirt") as running:
        yield running


@pytest.fixture
def box(folder: Path, libvirt: PrivateLibvirt) -> Iterator[Box]:
    made = Box(folder / "agent", driver="qemu", libvirt_uri=libvirt.uri)
    yield made
    made.agent.stop()
    made.agent.hypervisor.close()


def test_a_guest_through_all_verbs(box: Box) -> None:
    orders = Orders(box.clock)
    with image_server() as images:
        image = images.add(image_headers.qcow2(size=5 * 1024**2), "qcow2")
        spec = msgspec.structs.replace(instance_spec(orders.instance_id), image=image, ports=[], config_drive=True)
        created = box.do(_with(orders.create(), spec))
    try:
        assert (created.code, created.detail, created.power) == ("", "", PowerState.RUNNING)
        assert created.timings_ms.keys() >= {"image", "disks", "ports", "domain"}
        box.restart()  # the agent alone: the guest is adopted
        [digest] = box.heartbeat().domains
        assert (digest.power, digest.epoch, digest.generation) == (PowerState.RUNNING, 1, 1)
        # There is nothing in the guest that hears the power button.
        assert box.do(orders.halt(generation=2, timeout_s=1)).power is PowerState.SHUTDOWN
        assert box.do(_with(orders.start(generation=3), spec)).power is PowerState.RUNNING
        soft = box.do(_with(orders.reboot(generation=4, timeout_s=1), spec))
        assert (soft.code, soft.power) == ("", PowerState.RUNNING)
        hard = box.do(_with(orders.reboot(generation=5, mode=RebootMode.HARD), spec))
        assert (hard.code, hard.power) == ("", PowerState.RUNNING)
    finally:
        removed = box.do(orders.remove(generation=6))
    assert (removed.code, removed.absent) == ("", True)
    assert box.agent.hypervisor.list_domains() == []
    assert box.files("instances") == []


def _with(
    command: EnsureInstance | EnsureRunning | RebootInstance, spec: InstanceSpec
) -> EnsureInstance | EnsureRunning | RebootInstance:
    return msgspec.structs.replace(command, spec=spec)
