"""A volume served over NBD with TLS, as a guest on the node beside it has it, against the same file opened directly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cloud import BenchCloud
from benchmarks.figures import Figure
from benchmarks.files import MIB, random_file
from common.clock import SystemClock
from common.ids import new_id
from common.rpc.volume_commands import ExportVolume, VolumeExport
from compute_agent.volumes.nbd import NbdVolumes, TlsFiles
from tests.fixtures import certificates
from tests.fixtures.ports import free_port

SIZE_MIB, ROUNDS = 256, 3


@dataclass(frozen=True)
class Load:
    """What `qemu-img bench` does: requests of so many bytes, so many of them under way."""

    key: str
    words: tuple[str, ...]
    block: int
    depth: int


LOADS = (
    Load("nbd_write_ratio", ("-w",), MIB, 16),
    Load("nbd_read_ratio", (), MIB, 16),
    Load("nbd_small_write_ratio", ("-w",), 4096, 16),
    Load("nbd_small_read_ratio", (), 4096, 16),
)
_MOST_REQUESTS = 1024  # a small write waits for the disk, through two daemons
_LONGEST_S = 120.0


def against_a_file(cloud: BenchCloud) -> list[Figure]:
    """Ratios of time, past the page cache on both sides; above 1 is slower than the file. Two daemons and TLS lie between."""
    volume = cloud.folder / f"{new_id()}.raw"
    random_file(volume, SIZE_MIB)
    with _served(volume) as where:
        figures = []
        for load in LOADS:
            rounds = [
                (_bench(load, str(volume), direct=True), _bench(load, where, direct=False)) for _ in range(ROUNDS)
            ]
            local, served = (median(each) for each in zip(*rounds, strict=True))
            more = {"ms": round(served * 1000), "file_ms": round(local * 1000), "requests": _requests(load)}
            figures.append(Figure(load.key, served / local, None, more=more))
        return figures


def _requests(load: Load) -> int:
    return min(SIZE_MIB * MIB // load.block, _MOST_REQUESTS)


def _bench(load: Load, where: str, *, direct: bool) -> float:
    """Seconds, by its own count. Writes end with a flush on both ways."""
    words = ["qemu-img", "bench", "-f", "raw", "-c", str(_requests(load)), "-s", str(load.block), "-d", str(load.depth)]
    cache = ["-t", "none"] if direct else []
    flush = [f"--flush-interval={max(_requests(load), load.depth)}"] if load.words else []
    done = subprocess.run(
        [*words, *load.words, *cache, *flush, where], capture_output=True, text=True, check=True, timeout=_LONGEST_S
    )
    found = re.search(r"Run completed in ([0-9.]+) seconds", done.stdout)
    if found is None:
        raise RuntimeError(f"qemu-img bench said: {done.stdout}{done.stderr}")
    return float(found[1])


@contextmanager
def _served(volume: Path) -> Iterator[str]:
    """Its address on the node that has it attached; daemons of our own on loopback."""
    with tempfile.TemporaryDirectory(prefix="nbd") as made:  # paths of sockets are short
        nodes = {}
        for name, files in certificates.make_for_nodes(Path(made) / "certificates", "store", "node1").items():
            tls = TlsFiles(files.ca_file, files.cert_file, files.key_file)
            folder = Path(made) / name
            nodes[name] = NbdVolumes(
                folder, folder / "run", tls, address="127.0.0.1", writethrough=True, clock=SystemClock()
            )
        export = VolumeExport(id=new_id(), address="127.0.0.1", port=free_port(), server_name="store")
        command = ExportVolume(
            id="c", operation_id="o", step="export_volume", request_id="r", instance_id="", epoch=0, generation=1,
            deadline=SystemClock().now(), volume_id=volume.stem, disk_format="raw", export=export, client_name="node1",
        )  # fmt: skip
        try:
            nodes["store"].export(command, volume)
            socket = nodes["node1"].connect(export, read_only=False)
            yield f"nbd+unix:///{export.id}?socket={socket}"
        finally:
            for path in Path(made).glob("*/run/*/*.pid"):
                os.kill(int(path.read_text()), signal.SIGKILL)
