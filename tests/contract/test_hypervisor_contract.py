"""What every hypervisor driver must do, run on each: fake, libvirt's test driver, and real QEMU (TCG).

The QEMU part runs a guest with an empty disk: no operating system is needed to see a domain live and die.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import HypervisorError
from common.ids import new_id
from common.rpc.compute_v1 import PowerState
from common.rpc.queries_v1 import ConsoleKind
from compute_agent.console.log import tail
from compute_agent.hypervisor.base import CopyState, Disk, Domain, DomainState, Hypervisor, Nic
from compute_agent.hypervisor.fake import FakeHypervisor
from tests.fixtures.private_libvirt import PrivateLibvirt, available, private_libvirt

WAIT_S = 30.0
VIRTLOGD_MAX_SIZE, VIRTLOGD_BACKUPS = 65536, 1
QEMU = pytest.param("qemu", marks=[pytest.mark.qemu, pytest.mark.root])
without_qemu = pytest.mark.parametrize("rig", ["fake", "test"], indirect=True)
only_libvirt = pytest.mark.parametrize("rig", ["test", QEMU], indirect=True)
only_qemu = pytest.mark.parametrize("rig", [QEMU], indirect=True)
# Guests of one boot sector each; no operating system is needed for what they do.
PRINT_FOR_EVER = bytes.fromhex("baf803b078eeebfd")  # mov dx,3f8; mov al,'x'; out dx,al; jmp to out
POWER_OFF = bytes.fromhex("ba0406b80020eff4ebfd")  # mov dx,604; mov ax,2000; out dx,ax; hlt; jmp to hlt
RESET = bytes.fromhex("b0fee664f4ebfd")  # mov al,fe; out 64,al; hlt; jmp to hlt


def wait_for(what: str, condition: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {WAIT_S:g} s"
        time.sleep(0.01)


@dataclass
class Rig:
    """A driver under test, its cloud and the folder its disks are in."""

    kind: str
    driver: Hypervisor
    folder: Path
    cloud_uuid: str
    reopen: Callable[[], Hypervisor]
    events: queue.SimpleQueue[DomainState] = field(default_factory=queue.SimpleQueue)
    libvirt: PrivateLibvirt | None = None

    def domain(self, epoch: int = 1, generation: int = 1, boot: bytes = b"") -> Domain:
        instance_id = new_id()
        home = self.folder / instance_id
        home.mkdir(mode=0o711)
        disk = home / "disk.raw"
        disk.touch(mode=0o600)
        disk.write_bytes((boot.ljust(510, b"\0") + b"\x55\xaa" if boot else b"").ljust(1024 * 1024, b"\0"))
        return Domain(
            instance_id=instance_id,
            epoch=epoch,
            generation=generation,
            cloud_uuid=self.cloud_uuid,
            vcpus=1,
            memory_mib=32,
            disks=(Disk(disk, "raw", "vda", serial="cml-root"),),
            nics=(),
            console_log=home / "console.log",
        )

    def power(self, domain: Domain) -> PowerState | None:
        state = self.driver.state(domain.instance_id)
        return state.power if state else None

    def wait_event(self, domain: Domain, power: PowerState) -> DomainState:
        until = time.monotonic() + WAIT_S
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                event = self.events.get(timeout=left)
                if event.instance_id == domain.instance_id and event.power is power:
                    return event
        raise AssertionError(f"no event {power} of {domain.instance_id} within {WAIT_S:g} s")


@pytest.fixture(scope="module")
def libvirt_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirt]:
    if not available():
        pytest.skip("needs root, libvirtd, virtlogd and QEMU")
    home = tmp_path_factory.mktemp("libvirt", numbered=True)
    _let_through(home)
    with private_libvirt(home, virtlogd_max_size=VIRTLOGD_MAX_SIZE) as daemon:
        yield daemon


def _let_through(folder: Path) -> None:
    """QEMU runs as another user, who must get through the folders above its disks."""
    while folder != Path("/tmp") and folder != folder.parent:
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent


@pytest.fixture(params=["fake", "test", QEMU])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    cloud_uuid = new_id()
    daemon: PrivateLibvirt | None = None
    if request.param == "fake":

        def make() -> Hypervisor:
            return FakeHypervisor(tmp_path / "fake", cloud_uuid=cloud_uuid, clock=SystemClock())
    else:
        pytest.importorskip("libvirt")
        from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
        from compute_agent.hypervisor.virt_type import VirtType

        uri = "test:///default"
        if request.param == "qemu":
            daemon = request.getfixturevalue("libvirt_daemon")
            uri = daemon.uri
            _let_through(tmp_path)

        def make() -> Hypervisor:
            return LibvirtHypervisor(uri, VirtType(request.param), cloud_uuid=cloud_uuid)

    rig = Rig(request.param, make(), tmp_path, cloud_uuid, make, libvirt=daemon)
    rig.driver.subscribe(rig.events.put)
    yield rig
    for state in rig.driver.list_domains():
        rig.driver.ensure_absent(state.instance_id)
    rig.driver.close()


def test_facts_tell_of_the_machine(rig: Rig) -> None:
    facts = rig.driver.facts()
    assert facts.virt_type == rig.kind
    assert facts.hypervisor_type == ("TEST" if rig.kind == "test" else "QEMU")
    assert facts.vcpus > 0
    assert facts.hypervisor_version > 0
    assert facts.cpu_arch


def test_nothing_is_there_at_first(rig: Rig) -> None:
    assert rig.driver.list_domains() == []  # libvirt's test driver has a domain `test`, which is not ours
    assert rig.driver.state(new_id()) is None


def test_define_run_stop_remove(rig: Rig) -> None:
    domain = rig.domain(epoch=3, generation=7)
    rig.driver.ensure_defined(domain)
    assert rig.driver.list_domains() == [DomainState(domain.instance_id, 3, 7, PowerState.SHUTDOWN)]
    rig.driver.ensure_running(domain)
    assert rig.driver.list_domains() == [DomainState(domain.instance_id, 3, 7, PowerState.RUNNING)]
    assert rig.wait_event(domain, PowerState.RUNNING).epoch == 3
    rig.driver.ensure_stopped(domain.instance_id)
    assert rig.power(domain) is PowerState.SHUTDOWN
    rig.wait_event(domain, PowerState.SHUTDOWN)
    rig.driver.ensure_absent(domain.instance_id)
    assert rig.driver.state(domain.instance_id) is None
    gone = rig.wait_event(domain, PowerState.ABSENT)
    assert (gone.epoch, gone.generation) == (3, 7)


def test_every_verb_may_be_repeated(rig: Rig) -> None:
    domain = rig.domain()
    for _ in range(2):
        rig.driver.ensure_running(domain)
        assert rig.power(domain) is PowerState.RUNNING
    for _ in range(2):
        rig.driver.ensure_stopped(domain.instance_id)
        assert rig.power(domain) is PowerState.SHUTDOWN
    for _ in range(2):
        rig.driver.ensure_defined(domain)
        assert rig.power(domain) is PowerState.SHUTDOWN
    for _ in range(2):
        rig.driver.ensure_absent(domain.instance_id)
        assert rig.driver.state(domain.instance_id) is None


def test_verbs_on_nothing_do_nothing(rig: Rig) -> None:
    nobody = new_id()
    rig.driver.ensure_stopped(nobody)
    rig.driver.ensure_absent(nobody)
    rig.driver.request_shutdown(nobody)
    rig.driver.request_reboot(nobody)
    assert rig.driver.state(nobody) is None
    with pytest.raises(HypervisorError, match=nobody):
        rig.driver.diagnostics(nobody)


def test_buttons_do_nothing_when_it_is_off(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_defined(domain)
    rig.driver.request_shutdown(domain.instance_id)
    rig.driver.request_reboot(domain.instance_id)
    assert rig.power(domain) is PowerState.SHUTDOWN


def test_redefining_leaves_a_running_guest_running(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.ensure_defined(replace(domain, generation=2))
    assert rig.driver.state(domain.instance_id) == DomainState(domain.instance_id, 1, 2, PowerState.RUNNING)
    rig.driver.ensure_running(replace(domain, generation=3))
    assert rig.driver.state(domain.instance_id) == DomainState(domain.instance_id, 1, 3, PowerState.RUNNING)


def test_a_guest_of_an_older_epoch_is_replaced(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.ensure_running(replace(domain, epoch=2, generation=5))
    assert rig.driver.state(domain.instance_id) == DomainState(domain.instance_id, 2, 5, PowerState.RUNNING)


def test_removing_cuts_power(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.ensure_absent(domain.instance_id)
    assert rig.driver.list_domains() == []
    rig.wait_event(domain, PowerState.ABSENT)


def test_a_second_driver_finds_everything(rig: Rig) -> None:
    """As an agent that was killed and started again."""
    running, stopped = rig.domain(), rig.domain(epoch=2)
    rig.driver.ensure_running(running)
    rig.driver.ensure_defined(stopped)
    again = rig.reopen()
    found = {state.instance_id: (state.epoch, state.power) for state in again.list_domains()}
    assert found == {
        running.instance_id: (1, PowerState.RUNNING),
        stopped.instance_id: (2, PowerState.SHUTDOWN),
    }
    again.close()


def test_diagnostics_are_flat_and_plain(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    found = rig.driver.diagnostics(domain.instance_id)
    assert found["state"] == "running"
    assert all(isinstance(value, str | int | float | bool | None) for value in found.values())


@without_qemu
def test_many_guests_are_listed(rig: Rig) -> None:
    domains = [rig.domain() for _ in range(50)]
    for domain in domains:
        rig.driver.ensure_running(domain)
    assert {state.instance_id for state in rig.driver.list_domains()} == {domain.instance_id for domain in domains}


@without_qemu
def test_power_button(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.request_shutdown(domain.instance_id)
    wait_for("power-off", lambda: rig.power(domain) is PowerState.SHUTDOWN)
    rig.wait_event(domain, PowerState.SHUTDOWN)


def test_reboot_keeps_it_running(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.request_reboot(domain.instance_id)
    assert rig.power(domain) is PowerState.RUNNING


def test_pausing_and_going_on(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    for _ in range(2):
        rig.driver.ensure_paused(domain.instance_id)
        assert rig.power(domain) is PowerState.PAUSED
    for _ in range(2):
        rig.driver.ensure_unpaused(domain.instance_id)
        assert rig.power(domain) is PowerState.RUNNING
    rig.driver.ensure_stopped(domain.instance_id)
    for verb in (rig.driver.ensure_paused, rig.driver.ensure_unpaused, rig.driver.ensure_saved):
        with pytest.raises(HypervisorError, match=domain.instance_id):
            verb(domain.instance_id)


def test_power_can_be_cut_while_paused(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.ensure_paused(domain.instance_id)
    rig.driver.ensure_stopped(domain.instance_id)
    assert rig.power(domain) is PowerState.SHUTDOWN


def test_saving_memory_and_going_on(rig: Rig) -> None:
    domain = rig.domain(generation=1)
    rig.driver.ensure_running(domain)
    for _ in range(2):
        rig.driver.ensure_saved(domain.instance_id)
        assert rig.power(domain) is PowerState.SHUTDOWN
    again = replace(domain, generation=2)
    for _ in range(2):
        rig.driver.ensure_running(again, from_memory=True)
        assert rig.driver.state(domain.instance_id) == DomainState(domain.instance_id, 1, 2, PowerState.RUNNING)
    rig.driver.ensure_stopped(domain.instance_id)
    with pytest.raises(HypervisorError, match=domain.instance_id):
        rig.driver.ensure_saved(domain.instance_id)  # what was saved is used up


def test_an_ordinary_start_throws_saved_memory_away(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    rig.driver.ensure_saved(domain.instance_id)
    rig.driver.ensure_running(domain)
    rig.driver.ensure_stopped(domain.instance_id)
    with pytest.raises(HypervisorError, match=domain.instance_id):
        rig.driver.ensure_saved(domain.instance_id)


@pytest.mark.parametrize("rig", ["fake", QEMU], indirect=True)
@pytest.mark.parametrize("paused", [False, True])
def test_a_disk_is_copied_while_the_guest_goes_on(rig: Rig, paused: bool) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    if paused:
        rig.driver.ensure_paused(domain.instance_id)
    target = domain.disks[0].path.with_name("copy.qcow2")
    for _ in range(2):
        rig.driver.begin_copy(domain.instance_id, "vda", target, quiesce=False)
    wait_for("the copy", lambda: rig.driver.copy_state(domain.instance_id) is not CopyState.RUNNING)
    assert rig.driver.copy_state(domain.instance_id) is CopyState.DONE
    assert target.read_bytes()[:4] == b"QFI\xfb"
    assert rig.power(domain) is (PowerState.PAUSED if paused else PowerState.RUNNING)
    with pytest.raises(HypervisorError) as caught:  # no agent in this guest
        rig.driver.begin_copy(domain.instance_id, "vda", target, quiesce=True)
    assert caught.value.facts["instance_id"] == domain.instance_id
    rig.driver.end_copy(domain.instance_id)
    rig.driver.ensure_stopped(domain.instance_id)
    assert rig.driver.copy_state(domain.instance_id) is CopyState.FAILED


@pytest.mark.parametrize("rig", ["fake", QEMU], indirect=True)  # libvirt's test driver has no hot plug
def test_a_card_is_plugged_into_a_guest_that_is_on(rig: Rig, card: Nic) -> None:
    domain = rig.domain()
    rig.driver.ensure_defined(domain)
    with pytest.raises(HypervisorError, match=domain.instance_id):
        rig.driver.ensure_plugged(domain.instance_id, card)
    rig.driver.ensure_running(domain)
    assert not rig.driver.is_plugged(domain.instance_id, card.mac_address)
    rig.driver.request_unplug(domain.instance_id, card.mac_address)  # it has none
    for _ in range(2):
        rig.driver.ensure_plugged(domain.instance_id, card)
        assert rig.driver.is_plugged(domain.instance_id, card.mac_address)
    assert rig.driver.is_plugged(domain.instance_id, "vda")
    rig.driver.request_unplug(domain.instance_id, card.mac_address)
    if rig.kind == "qemu":  # nothing in this guest answers
        assert rig.driver.is_plugged(domain.instance_id, card.mac_address)
        rig.driver.request_unplug(domain.instance_id, card.mac_address)
    else:
        assert not rig.driver.is_plugged(domain.instance_id, card.mac_address)
    rig.driver.ensure_stopped(domain.instance_id)
    assert not rig.driver.is_plugged(domain.instance_id, card.mac_address)
    rig.driver.ensure_running(domain)
    assert not rig.driver.is_plugged(domain.instance_id, card.mac_address), "the next start follows the spec alone"


@pytest.fixture
def card(rig: Rig) -> Iterator[Nic]:
    bridge = f"cmlbr-{rig.cloud_uuid[:8]}"
    if rig.libvirt:  # in the network namespace of its libvirtd
        inside = ["nsenter", f"--net=/proc/{rig.libvirt.libvirtd_pid}/ns/net", "ip", "link"]
        subprocess.run([*inside, "add", bridge, "type", "bridge"], check=True)
    yield Nic(mac_address="fa:16:3e:00:00:01", tap=f"cmltap{rig.cloud_uuid[:8]}", bridge=bridge, mtu=1450)
    if rig.libvirt:
        subprocess.run([*inside, "del", bridge], check=True)


@pytest.mark.parametrize("rig", ["fake", QEMU], indirect=True)
def test_consoles_of_a_guest_that_is_on(rig: Rig) -> None:
    domain = rig.domain(boot=PRINT_FOR_EVER)
    rig.driver.ensure_defined(domain)
    for kind in ConsoleKind:
        with pytest.raises(HypervisorError, match=domain.instance_id):
            rig.driver.open_console(domain.instance_id, kind)
    rig.driver.ensure_running(domain)
    boot = rig.driver.boot_id(domain.instance_id)
    assert first_bytes(rig.driver.open_console(domain.instance_id, ConsoleKind.SCREEN), 12) == b"RFB 003.008\n"
    printed = first_bytes(rig.driver.open_console(domain.instance_id, ConsoleKind.SERIAL), 4)
    assert printed == (b"xxxx" if rig.kind == "qemu" else b"fake")
    assert rig.driver.boot_id(domain.instance_id) == boot
    rig.driver.ensure_stopped(domain.instance_id)
    rig.driver.ensure_running(domain)
    assert rig.driver.boot_id(domain.instance_id) != boot


def first_bytes(fd: int, count: int) -> bytes:
    got, until = b"", time.monotonic() + WAIT_S
    with open(fd, "rb", buffering=0) as console:
        while len(got) < count:
            assert time.monotonic() < until, f"only {got!r} came within {WAIT_S:g} s"
            select.select([console], [], [], 0.5)
            got += console.read(count - len(got)) or b""
    return got


@only_libvirt
def test_foreign_domains_are_not_touched(rig: Rig) -> None:
    """HYP-11: a domain that bears another cloud's UUID is left alone by every verb."""
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
    from compute_agent.hypervisor.virt_type import VirtType

    domain = rig.domain()
    rig.driver.ensure_running(domain)
    uri = rig.libvirt.uri if rig.libvirt else "test:///default"
    stranger = LibvirtHypervisor(uri, VirtType(rig.kind), cloud_uuid=new_id())
    assert stranger.list_domains() == []
    assert stranger.state(domain.instance_id) is None
    stranger.ensure_stopped(domain.instance_id)
    stranger.ensure_absent(domain.instance_id)
    stranger.request_shutdown(domain.instance_id)
    for verb in (stranger.ensure_running, stranger.ensure_defined):
        with pytest.raises(HypervisorError, match="not of this cloud"):
            verb(domain)
    assert rig.power(domain) is PowerState.RUNNING
    stranger.close()


@only_qemu
def test_hypervisor_text_is_only_in_the_detail(rig: Rig) -> None:
    """HYP-09."""
    domain = rig.domain()
    domain.disks[0].path.unlink()
    with pytest.raises(HypervisorError) as caught:
        rig.driver.ensure_running(domain)
    assert str(rig.folder) in caught.value.detail
    assert str(rig.folder) not in caught.value.message


@only_qemu
def test_a_guest_that_powers_itself_off_is_reported(rig: Rig) -> None:
    domain = rig.domain(epoch=2, generation=3, boot=POWER_OFF)
    rig.driver.ensure_running(domain)
    event = rig.wait_event(domain, PowerState.SHUTDOWN)
    assert (event.epoch, event.generation) == (2, 3)
    assert rig.power(domain) is PowerState.SHUTDOWN


@only_qemu
def test_a_guest_that_reboots_is_reported_as_running(rig: Rig) -> None:
    domain = rig.domain(boot=RESET)
    rig.driver.ensure_running(domain)
    for _ in range(3):  # the start, and two reboots
        rig.wait_event(domain, PowerState.RUNNING)


@only_qemu
def test_a_guest_whose_qemu_dies_is_reported(rig: Rig) -> None:
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    os.kill(qemu_pid(domain), signal.SIGKILL)
    rig.wait_event(domain, PowerState.CRASHED)
    rig.driver.ensure_running(domain)
    assert rig.power(domain) is PowerState.RUNNING


@only_qemu
def test_a_paused_guest_goes_on(rig: Rig) -> None:
    """As after a full disk: starting it must not cut its power."""
    assert rig.libvirt is not None
    domain = rig.domain()
    rig.driver.ensure_running(domain)
    pid = qemu_pid(domain)
    virsh(rig.libvirt.uri, "suspend", domain.instance_id)
    assert rig.power(domain) is PowerState.PAUSED
    rig.driver.ensure_running(domain)
    assert rig.power(domain) is PowerState.RUNNING
    assert qemu_pid(domain) == pid


@only_qemu
def test_isolation_of_a_running_guest(rig: Rig) -> None:
    """CON-08, HYP-05, IMG-20: no TCP port, QEMU as its own user, our SMBIOS, files private and then ours again."""
    domain = rig.domain()
    disk = domain.disks[0].path
    rig.driver.ensure_running(domain)
    pid = qemu_pid(domain)
    user = os.stat(f"/proc/{pid}").st_uid
    assert user != 0
    assert listening_tcp_sockets(pid) == []
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    assert f"serial={domain.instance_id}" in words[words.index("-smbios") + 1].split(",")
    assert (disk.stat().st_uid, disk.stat().st_mode & 0o777) == (user, 0o600)
    assert (domain.console_log.stat().st_uid, domain.console_log.stat().st_mode & 0o077) == (0, 0)
    rig.driver.ensure_stopped(domain.instance_id)
    assert (disk.stat().st_uid, disk.stat().st_mode & 0o777) == (0, 0o600)


@only_qemu
def test_nics_get_the_tap_we_name_on_the_bridge_we_name(rig: Rig) -> None:
    assert rig.libvirt is not None
    inside = ["nsenter", "--net", "--target", str(rig.libvirt.libvirtd_pid), "ip"]
    subprocess.run([*inside, "link", "add", "cmlbr-t1", "mtu", "1450", "type", "bridge"], check=True, timeout=10)
    domain = rig.domain()
    rig.driver.ensure_running(replace(domain, nics=(Nic("fa:16:3e:00:00:01", "cmltap-t1", "cmlbr-t1", 1450),)))
    shown = subprocess.run([*inside, "-o", "link", "show", "cmltap-t1"], check=True, capture_output=True, timeout=10)
    assert b"mtu 1450" in shown.stdout
    assert b"master cmlbr-t1" in shown.stdout
    assert rig.driver.diagnostics(domain.instance_id)["cmltap-t1_tx_packets"] is not None
    rig.driver.ensure_stopped(domain.instance_id)
    gone = subprocess.run([*inside, "link", "show", "cmltap-t1"], check=False, capture_output=True, timeout=10)
    assert gone.returncode != 0, "libvirt takes its tap away with the guest"


@only_qemu
def test_disks_as_the_agent_makes_them(rig: Rig) -> None:
    """A whole instance from storage/: it runs as QEMU's user, and the shared base image stays root's and read-only."""
    from compute_agent.hypervisor.domain_xml import Backing
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
    from compute_agent.hypervisor.virt_type import VirtType
    from compute_agent.storage import disks, ownership
    from compute_agent.storage.image_cache import CachedImage

    assert rig.libvirt is not None
    store = disks.InstanceDisks(rig.folder / "agent", SystemClock())
    base = rig.folder / "agent" / "cache" / ("ab" * 64)
    ownership.make_folder(base.parent, ownership.qemu_group())
    base.write_bytes((PRINT_FOR_EVER.ljust(510, b"\0") + b"\x55\xaa").ljust(1024 * 1024, b"\0"))
    ownership.give(base, ownership.READ_ONLY, ownership.qemu_group())
    plain = rig.domain()
    root = store.ensure_root(plain.instance_id, CachedImage("ab" * 64, base, "raw", 1024 * 1024), 1)
    swap = store.ensure_swap(plain.instance_id, 8)
    config = store.ensure_config_drive(plain.instance_id, {"openstack/latest/meta_data.json": b"{}"})
    domain = replace(
        plain,
        console_log=store.folder(plain.instance_id) / "console.log",
        disks=(
            Disk(root.path, root.format, "vda"),
            Disk(swap.path, swap.format, "vdb"),
            Disk(config.path, config.format, "vdc", read_only=True),
        ),
    )

    def backing_of(path: Path) -> Backing | None:
        found = disks.recorded_base(path)
        return Backing(found.path, found.format) if found else None

    driver = LibvirtHypervisor(rig.libvirt.uri, VirtType.QEMU, cloud_uuid=rig.cloud_uuid, backing_of=backing_of)
    driver.ensure_running(domain)
    wait_for("output", lambda: "xxx" in tail(domain.console_log, None, max_kib=64))
    assert (base.stat().st_uid, base.stat().st_mode & 0o777) == (0, 0o440)
    assert root.path.stat().st_uid != 0
    driver.ensure_absent(domain.instance_id)
    assert (base.stat().st_uid, base.stat().st_mode & 0o777) == (0, 0o440)
    driver.close()


@only_qemu
def test_con_09_a_guest_that_prints_for_ever_stays_within_the_bound(rig: Rig) -> None:
    domain = rig.domain(boot=PRINT_FOR_EVER)
    rig.driver.ensure_running(domain)
    rotated = domain.console_log.with_name("console.log.0")
    wait_for("a second rotation", lambda: rotated.exists() and rotated.stat().st_ino != first_inode(rotated))
    kept = sorted(domain.console_log.parent.glob("console.log*"))
    assert sum(path.stat().st_size for path in kept) <= (1 + VIRTLOGD_BACKUPS) * VIRTLOGD_MAX_SIZE
    assert [path.name for path in kept] == ["console.log", "console.log.0"]
    assert len(tail(domain.console_log, None, max_kib=16)) == 16 * 1024


_seen_inodes: dict[Path, int] = {}


def first_inode(path: Path) -> int:
    return _seen_inodes.setdefault(path, path.stat().st_ino)


@only_qemu
def test_stored_xml_is_never_used(rig: Rig) -> None:
    """HYP-06: what someone wrote into the node's definition is gone at the next start."""
    assert rig.libvirt is not None
    domain = rig.domain()
    rig.driver.ensure_defined(domain)
    stored = virsh(rig.libvirt.uri, "dumpxml", domain.instance_id).replace("<vcpu placement='static'>1<", "<vcpu>2<")
    changed = rig.folder / "changed.xml"
    changed.write_text(stored)
    virsh(rig.libvirt.uri, "define", str(changed))
    assert "2</vcpu>" in virsh(rig.libvirt.uri, "dumpxml", domain.instance_id)
    rig.driver.ensure_running(domain)
    assert "1</vcpu>" in virsh(rig.libvirt.uri, "dumpxml", domain.instance_id)


@only_qemu
def test_the_connection_comes_back(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> None:
    """libvirtd may be restarted under a running agent: guests go on, the next call succeeds, events come again."""
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
    from compute_agent.hypervisor.virt_type import VirtType

    home = tmp_path_factory.mktemp("restarted")
    _let_through(home)
    domain = rig.domain()
    with private_libvirt(home) as first:
        driver = LibvirtHypervisor(first.uri, VirtType.QEMU, cloud_uuid=rig.cloud_uuid)
        driver.subscribe(rig.events.put)
        driver.ensure_running(domain)
        pid = qemu_pid(domain)
    with pytest.raises(HypervisorError):
        driver.state(domain.instance_id)
    with private_libvirt(home):
        state = driver.state(domain.instance_id)
        assert state is not None
        assert state.power is PowerState.RUNNING
        assert qemu_pid(domain) == pid
        driver.ensure_absent(domain.instance_id)
        rig.wait_event(domain, PowerState.ABSENT)
        driver.close()


def virsh(uri: str, *arguments: str) -> str:
    return subprocess.run(
        ["virsh", "-c", uri, *arguments], check=True, capture_output=True, timeout=30, text=True
    ).stdout


def qemu_pid(domain: Domain) -> int:
    """The process that has this domain's name in its command line, so that no other is ever hit."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"qemu-system" in words[0] and f"guest=cml-{domain.instance_id},debug-threads=on".encode() in words:
                return int(entry.name)
    raise AssertionError(f"no QEMU runs {domain.instance_id}")


def listening_tcp_sockets(pid: int) -> list[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]
    return [line for line in lines if line.split()[3] == "0A" and line.split()[9] in inodes]
