"""Control groups of the lab's nodes: what makes a crash kill everything at once, and a freeze stop everything.

Each node has a group in the version 2 tree, which all its processes are in, QEMU too. On a machine that has version 1
trees, too, each node has a group in every one of them, which the node sees as the root: libvirt names the groups of its
guests by running numbers, and those of two nodes would meet.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import host
from lab_names import Node, identity
from layout import Layout
from progress import wait_for

MOUNTS = Path("/proc/self/mounts")
KILL_S = 20.0
PREFIX = "cml-lab-"


@dataclass(frozen=True)
class NodeGroup:
    """The group of one node in the version 2 tree."""

    path: Path
    processes: Path  # where its processes are: a group below, where version 2 is all there is

    def make(self) -> None:
        self.processes.mkdir(parents=True, exist_ok=True)
        (self.path / "cgroup.freeze").write_text("0\n")  # it may have been killed while it was frozen

    def pids(self) -> list[int]:
        try:
            return [int(line) for line in (self.processes / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def is_frozen(self) -> bool:
        try:
            return "frozen 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def freeze(self, frozen: bool) -> None:
        """Returns when it has happened to every process."""
        (self.path / "cgroup.freeze").write_text(f"{int(frozen)}\n")
        wait_for(
            lambda: self.is_frozen() == frozen,
            deadline_s=KILL_S,
            failed=lambda: f"the processes of {self.path.name} do not follow cgroup.freeze",
        )

    def kill(self) -> None:
        """SIGKILL to all at once; returns when all have ended."""
        if not self.path.is_dir():
            return
        (self.path / "cgroup.kill").write_text("1\n")
        wait_for(
            lambda: "populated 0" in (self.path / "cgroup.events").read_text(),
            deadline_s=KILL_S,
            failed=lambda: f"processes of {self.path.name} can't be killed: {self.pids()}",
        )


def group(node: Node) -> NodeGroup:
    root = _unified(node.lab)
    path = root / f"{PREFIX}{identity(node.lab)}" / node.name
    return NodeGroup(path, path if _version1() else path / "processes")


def ensure_tree(lab: Layout) -> None:
    """Have the version 2 tree mounted, once, before nodes that boot side by side look for it."""
    _unified(lab)


def version1_name(node: Node) -> str:
    """Of the node's group in each version 1 tree; made here. "" where there are no such trees."""
    name = f"{PREFIX}{identity(node.lab)}-{node.name}"
    trees = _version1()
    for tree in trees:
        made = tree / name
        _remove_below(made)  # of its last life
        made.mkdir(exist_ok=True)
        for key in ("cpuset.cpus", "cpuset.mems"):  # without them nothing may run in it
            if (tree / key).exists():
                (made / key).write_text((tree / key).read_text())
    return name if trees else ""


def remove_all(lab: Layout) -> None:
    """Every group of this lab; their processes must have ended."""
    word = f"{PREFIX}{identity(lab)}"
    for tree in (*_version1(), _unified(lab)):
        for top in (tree / word, *tree.glob(f"{word}-*")):
            _remove_below(top)
            if top.is_dir():
                top.rmdir()
    own = _own_mount(lab)
    if os.path.ismount(own):
        host.run(["umount", str(own)], timeout_s=10, what=f"unmounting {own}")
        own.rmdir()


def _remove_below(top: Path) -> None:
    if top.is_dir():
        subprocess.run(
            ["find", str(top), "-mindepth", "1", "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
            capture_output=True, timeout=20, check=False,
        )  # fmt: skip


def _unified(lab: Layout) -> Path:
    """Where the version 2 tree is mounted; mounted below the lab's folder when the machine hides it."""
    own = _own_mount(lab)
    found = [where for kind, where in _mounts() if kind == "cgroup2" and (where / "cgroup.procs").exists()]
    if found:
        return found[0]
    own.mkdir(parents=True, exist_ok=True)
    host.run(["mount", "-t", "cgroup2", "cgroup2", str(own)], timeout_s=10, what=f"mounting control groups at {own}")
    return own


def _own_mount(lab: Layout) -> Path:
    return lab.run / "cgroup"


def _version1() -> list[Path]:
    found = {where for kind, where in _mounts() if kind == "cgroup" and where.is_dir()}
    return sorted(found)


def _mounts() -> list[tuple[str, Path]]:
    """(kind, where) of every control group tree that can be seen."""
    lines = [line.split() for line in MOUNTS.read_text().splitlines()]
    return [(words[2], Path(words[1])) for words in lines if words[2] in ("cgroup", "cgroup2")]
