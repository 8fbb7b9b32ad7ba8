"""Volumes over NBD with TLS, with real storage daemons on loopback: who may have one, and what daemons that die cost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from common.clock import ManualClock
from common.deadlines import UNPLUG_S
from common.errors import StorageError, ToolFailed
from common.ids import new_id
from common.rpc.volume_commands import ExportVolume, VolumeExport
from compute_agent.hypervisor.base import CopyState
from compute_agent.volumes import nbd_daemons
from compute_agent.volumes.nbd import NbdVolumes, TlsFiles
from compute_agent.volumes.place import VolumeFile
from compute_agent.volumes.qmp import DaemonSilent
from tests.fixtures import certificates
from tests.fixtures.certificates import Certificates
from tests.fixtures.e2e_wait import until
from tests.fixtures.ports import free_port

SIZE = 16 * 1024 * 1024


class Node:
    """One node's part: `again()` is what a restarted agent has."""

    def __init__(self, name: str, folder: Path, files: Certificates) -> None:
        self.name, self.folder, self._files, self.clock = name, folder / name, files, ManualClock()
        self.served = self.again()

    def again(self) -> NbdVolumes:
        files = TlsFiles(self._files.ca_file, self._files.cert_file, self._files.key_file)
        self.served = NbdVolumes(
            self.folder, self.folder / "run", files, address="127.0.0.1", writethrough=True, clock=self.clock
        )
        return self.served

    def daemons(self) -> dict[str, int]:
        """The process of each export and connection, by its id."""
        return {path.stem: int(path.read_text()) for path in self.folder.glob("run/*/*.pid")}

    def kill(self, export_id: str) -> None:
        process = self.daemons()[export_id]
        os.kill(process, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{process}/cmdline").exists() or None, "the daemon's end", deadline_s=10)

    def end(self) -> None:
        for process in self.daemons().values():
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Node]]:
    monkeypatch.setattr(nbd_daemons, "NBD_OPEN_S", 0)  # who is refused is refused at once
    with tempfile.TemporaryDirectory(prefix="nbd") as made:  # paths of sockets are short
        files = certificates.make_for_nodes(Path(made) / "certificates", "store", "node1", "node2")
        found = {name: Node(name, Path(made), each) for name, each in files.items()}
        yield found
        for node in found.values():
            node.end()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / f"{new_id()}.raw"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def order(volume: Path, client: str, *, shareable: bool = False) -> ExportVolume:
    export = VolumeExport(id=new_id(), address="127.0.0.1", port=free_port(), server_name="store")
    return ExportVolume(
        id="c", operation_id="o", step="export_volume", request_id="r", instance_id="", epoch=0, generation=1,
        deadline=ManualClock().now(), volume_id=volume.stem, disk_format="raw", export=export, client_name=client,
        shareable=shareable,
    )  # fmt: skip


def address(path: Path, export_id: str) -> str:
    return f"nbd+unix:///{export_id}?socket={path}"


def qemu_io(where: str, *commands: str) -> subprocess.CompletedProcess[str]:
    words = [word for command in commands for word in ("-c", command)]
    return subprocess.run(
        ["qemu-io", "-f", "raw", *words, where], capture_output=True, text=True, timeout=60, check=False
    )


def done(where: str, *commands: str) -> None:
    """qemu-io answers 0 also when a pattern is not what was looked for."""
    found = qemu_io(where, *commands)
    assert found.returncode == 0, found.stderr + found.stdout
    assert "failed" not in found.stdout + found.stderr, found.stdout


def test_only_the_node_that_an_export_is_for_has_it(nodes: dict[str, Node], volume: Path) -> None:
    ordered = order(volume, "node1")
    nodes["store"].served.export(ordered, volume)
    nodes["store"].served.export(ordered, volume)  # the command came twice
    path = nodes["node1"].served.connect(ordered.export, read_only=False)
    done(address(path, ordered.export.id), "write -P 7 0 1M", "flush")
    assert volume.read_bytes()[: 2**20] == b"\7" * 2**20
    with pytest.raises(StorageError):  # it has a certificate of this cloud, but not the right one
        nodes["node2"].served.connect(ordered.export, read_only=False)
    plain = qemu_io(f"nbd://127.0.0.1:{ordered.export.port}/{ordered.export.id}", "read 0 512")
    assert "TLS" in plain.stderr
    assert plain.returncode != 0
    pretender = VolumeExport(id=ordered.export.id, address="127.0.0.1", port=ordered.export.port, server_name="node2")
    with pytest.raises(StorageError):  # whoever answers for a node has that node's name
        nodes["node2"].served.connect(pretender, read_only=False)


def test_a_withdrawn_export_is_a_fence(nodes: dict[str, Node], volume: Path) -> None:
    first, second = order(volume, "node1"), order(volume, "node2")
    store = nodes["store"].served
    store.export(first, volume)
    nodes["node1"].served.connect(first.export, read_only=False)
    store.export(second, volume)  # the volume moves on, whatever node1 thinks
    assert set(nodes["store"].daemons()) == {second.export.id}
    done(address(nodes["node2"].served.connect(second.export, read_only=False), second.export.id), "write -P 1 0 4k")
    store.withdraw_all(volume.stem)
    assert (store.heal(), nodes["store"].daemons(), store.exported(volume.stem)) == (0, {}, False)
    nodes["node2"].kill(second.export.id)
    assert nodes["node2"].again().heal() == 0
    with pytest.raises(StorageError, match="node store does not give"):
        nodes["node2"].served.connect(second.export, read_only=False)


def test_daemons_that_die_under_a_writer_cost_it_nothing_but_time(nodes: dict[str, Node], volume: Path) -> None:
    ordered = order(volume, "node1")
    export_id = ordered.export.id
    nodes["store"].served.export(ordered, volume)
    where = address(nodes["node1"].served.connect(ordered.export, read_only=False), export_id)
    blocks = [f"write -P {number + 1} {number * 64}k 64k" for number in range(200)]
    words = [word for command in blocks for word in ("-c", command)]
    with subprocess.Popen(["qemu-io", "-f", "raw", *words, where], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()  # it is in the middle of it
        nodes["store"].kill(export_id)
        assert nodes["store"].again().heal() == 1  # by an agent that was restarted, too
        told = writer.stdout.read()
        assert writer.wait(60) == 0
    assert "failed" not in told
    assert volume.read_bytes()[: 200 * 65536] == b"".join(bytes([number + 1]) * 65536 for number in range(200))
    nodes["node1"].kill(export_id)
    assert nodes["node1"].again().heal() == 1
    done(where, "read -P 9 512k 64k")
    assert nodes["store"].served.heal() + nodes["node1"].served.heal() == 0  # all is well


def test_a_served_volume_is_copied_as_it_is_at_one_moment(nodes: dict[str, Node], volume: Path, tmp_path: Path) -> None:
    ordered, copy = order(volume, "node1"), tmp_path / "copy.qcow2"
    store = nodes["store"].served
    store.export(ordered, volume)
    where = address(nodes["node1"].served.connect(ordered.export, read_only=False), ordered.export.id)
    done(where, "write -P 5 0 8M")
    for _ in range(2):  # the second is one of which a killed agent knows nothing
        store.begin_copy(volume.stem, copy, SIZE)
    done(where, "write -P 6 0 8M")
    until(lambda: _ended(store.copy_state(volume.stem)), "the copy", deadline_s=30)
    found = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "read -P 5 0 8M", "-c", "read -P 0 8M 8M", str(copy)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "failed" not in found.stdout
    assert store.copy_state(volume.stem) is CopyState.FAILED  # there is none any more
    shared = order(volume, "node2", shareable=True)
    store.withdraw_all(volume.stem)
    for each in (order(volume, "node1", shareable=True), shared):
        store.export(each, volume)
    with pytest.raises(StorageError, match="served to 2 servers"):
        store.begin_copy(volume.stem, copy, SIZE)


def test_a_daemon_that_dies_takes_a_copy_along_and_another_can_be_begun(
    nodes: dict[str, Node], volume: Path, tmp_path: Path
) -> None:
    ordered, copy, store = order(volume, "node1"), tmp_path / "copy.qcow2", nodes["store"]
    store.served.export(ordered, volume)
    store.served.begin_copy(volume.stem, copy, SIZE)
    store.kill(ordered.export.id)
    with pytest.raises(DaemonSilent):
        store.served.copy_state(volume.stem)
    with pytest.raises(DaemonSilent):
        store.served.begin_copy(volume.stem, copy, SIZE)
    assert store.served.heal() == 1
    assert store.served.copy_state(volume.stem) is CopyState.FAILED
    store.served.begin_copy(volume.stem, copy, SIZE)
    until(lambda: _ended(store.served.copy_state(volume.stem)), "the copy", deadline_s=30)


def test_a_connection_that_nobody_wants_is_kept_for_as_long_as_a_guest_may_take_to_let_it_go(
    nodes: dict[str, Node], volume: Path
) -> None:
    ordered, node = order(volume, "node1"), nodes["node1"]
    nodes["store"].served.export(ordered, volume)
    node.served.connect(ordered.export, read_only=False)
    for seconds, left in ((700, 1), (UNPLUG_S - 1, 1), (1, 0)):
        node.clock.advance(seconds)
        node.served.disconnect_others(set())
        assert len(node.daemons()) == left


def test_another_node_reads_all_of_a_volume_that_moves_to_it(
    nodes: dict[str, Node], volume: Path, tmp_path: Path
) -> None:
    with volume.open("r+b") as file:
        file.write(os.urandom(2**20))
    ordered = msgspec.structs.replace(order(volume, "node1"), read_only=True)
    nodes["store"].served.export(ordered, volume)
    source, copy = nodes["node1"].served.source(ordered.export), VolumeFile(tmp_path / "copy.qcow2", "qcow2")
    source.copy_to(copy.path, copy.format)
    source.compare(copy)
    written = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "write -P 9 8M 512", str(copy.path)], check=True, capture_output=True
    )
    assert written.returncode == 0
    with pytest.raises(StorageError, match="has not the bytes"):
        source.compare(copy)
    with pytest.raises(ToolFailed):  # the export is another node's
        nodes["node2"].served.source(ordered.export).copy_to(tmp_path / "stolen", "raw")
    nodes["store"].served.withdraw(ordered.export.id)
    with pytest.raises(ToolFailed):
        source.compare(copy)


def _ended(state: CopyState) -> bool:
    assert state is not CopyState.FAILED
    return state is CopyState.DONE


def test_daemons_that_die_while_a_volume_is_attached_or_detached(nodes: dict[str, Node], volume: Path) -> None:
    ordered, store, node = order(volume, "node1"), nodes["store"], nodes["node1"]
    export_id = ordered.export.id
    store.served.export(ordered, volume)
    store.kill(export_id)
    assert store.again().heal() == 1  # between the two halves of attaching
    done(address(node.served.connect(ordered.export, read_only=False), export_id), "write -P 3 0 1M")
    node.kill(export_id)
    node.served.disconnect(export_id)  # the guest has let go, and there is nothing left to end
    store.kill(export_id)
    store.served.withdraw(export_id)
    assert store.again().heal() + node.again().heal() == 0
    assert not list(store.folder.glob("run/*/*")) + list(node.folder.glob("run/*/*"))
    assert volume.read_bytes()[: 2**20] == b"\3" * 2**20
