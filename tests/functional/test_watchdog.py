"""The watchdog as a process of its own beside a real libvirt: with the agent frozen it stops what it should, no more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from common import config as configuration
from common.clock import SystemClock
from common.deadlines import SELF_FENCE_S
from common.ids import new_id
from common.rpc.bus import Bus
from common.rpc.compute_v1 import LeaseRenewed, PowerState
from common.rpc.transport import Transport
from compute_agent import identity
from compute_agent.hypervisor.base import Disk, Domain
from compute_agent.watchdog.lease import LeaseFile, folder
from compute_agent.watchdog.stopped import StoppedGuests
from tests.fixtures.private_libvirt import PrivateLibvirt, available, private_libvirt

pytestmark = [
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU"),
]
NODE, CLOUD = "watched", new_id()
WAIT_S = 60.0


@pytest.fixture
def home() -> Iterator[Path]:
    """Not tmp_path: QEMU's user must be able to pass through."""
    made = Path(tempfile.mkdtemp(prefix="cml-dog-", dir="/var/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def wait_for(what: str, condition: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {WAIT_S:g} s"
        time.sleep(0.05)


def configured(home: Path, libvirt: PrivateLibvirt) -> Path:
    path = home / "cumulet.conf"
    path.write_text(
        f"[cloud]\nuuid = {CLOUD}\nlog_dir =\nrun_dir = {home}/run\n[bus]\nurl = filesystem://\nfolder = {home}/bus\n"
        f"[network]\nnetworking = none\n[agent]\nnode = {NODE}\ndriver = qemu\nlibvirt_uri = {libvirt.uri}\n"
        f"state_dir = {home}/agent\nimage_secret_file = {home}/agent/node.secret\nhealth_port = 0\n"
    )
    return path


@contextmanager
def process(home: Path, config: Path, module: str) -> Iterator[subprocess.Popen[bytes]]:
    log = (home / f"{module}.log").open("wb")
    environment = {**os.environ, "CUMULET_CONFIG": str(config)}
    started = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.kill()  # the one that is frozen, too, and at once
        started.wait(30)
        log.close()


def domain(home: Path, cloud_uuid: str, *, evacuable: bool) -> Domain:
    own = home / new_id()
    own.mkdir(mode=0o711)
    disk = own / "disk.raw"
    disk.write_bytes(b"\0" * 1024**2)
    return Domain(
        instance_id=new_id(), epoch=1, generation=1, cloud_uuid=cloud_uuid, vcpus=1, memory_mib=32,
        disks=(Disk(disk, "raw", "vda"),), nics=(), console_log=own / "console.log",
        evacuable=evacuable,
    )  # fmt: skip


def test_with_the_agent_frozen_evacuable_guests_of_this_cloud_end_and_no_others(home: Path) -> None:
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
    from compute_agent.hypervisor.virt_type import VirtType

    with ExitStack() as stack:
        libvirt = stack.enter_context(private_libvirt(home / "libvirt"))
        config = configured(home, libvirt)
        ours = LibvirtHypervisor(libvirt.uri, VirtType.QEMU, cloud_uuid=CLOUD)
        stack.callback(ours.close)
        other_cloud = new_id()
        theirs = LibvirtHypervisor(libvirt.uri, VirtType.QEMU, cloud_uuid=other_cloud)
        stack.callback(theirs.close)
        moving, local = domain(home, CLOUD, evacuable=True), domain(home, CLOUD, evacuable=False)
        foreign = domain(home, other_cloud, evacuable=True)
        for driver, one in ((ours, moving), (ours, local), (theirs, foreign)):
            driver.ensure_running(one)
            stack.callback(driver.ensure_absent, one.instance_id)
        state = ours.state(moving.instance_id)
        assert state is not None
        assert state.evacuable
        agent = stack.enter_context(process(home, config, "compute_agent.main"))
        watchdog = stack.enter_context(process(home, config, "compute_agent.watchdog.main"))
        lease = LeaseFile(folder(f"{home}/run", NODE))
        renew(config, SELF_FENCE_S - 8)
        wait_for("the agent's writing down its lease", lease.read)
        agent.send_signal(signal.SIGSTOP)
        assert ours.state(moving.instance_id) == state, "the lease has some seconds left"

        def is_off() -> bool:
            found = ours.state(moving.instance_id)
            return found is not None and found.power is PowerState.SHUTDOWN

        wait_for("the end of the evacuable guest", is_off)
        for driver, one in ((ours, local), (theirs, foreign)):
            found = driver.state(one.instance_id)
            assert found is not None
            assert found.power is PowerState.RUNNING
        assert StoppedGuests(folder(f"{home}/run", NODE), identity.current_boot()).holds(moving.instance_id, 1, 1)
        assert watchdog.poll() is None
        log = (home / "compute_agent.watchdog.main.log").read_text()
        assert moving.instance_id in log
        assert local.instance_id not in log
        resident = next(
            line for line in Path(f"/proc/{watchdog.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        assert int(resident.split()[1]) < 64 * 1024, f"a small process: {resident}"


def renew(config: Path, age_s: float) -> None:
    """What the control plane sends after a heartbeat, here one that was sent `age_s` ago."""
    loaded, clock = configuration.load(str(config)), SystemClock()
    bus = Bus(Transport(loaded.bus), clock)
    renewed = LeaseRenewed(
        id=new_id(), operation_id="", step="lease", request_id="", instance_id="", epoch=0, generation=0,
        deadline=clock.now() + timedelta(seconds=30), boot_id=identity.current_boot(),
        sent_boottime_ms=int((clock.boottime() - age_s) * 1000),
    )  # fmt: skip
    bus.send_command(NODE, renewed)
    bus.close()
