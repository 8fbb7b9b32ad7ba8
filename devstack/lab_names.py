"""The lab's fixed names, addresses and ports, and what follows from a node's number."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from layout import Layout

FABRIC = "cmlfabric"  # the network namespace that stands for the cables between the machines
SWITCH = "cmlswitch"  # the bridge in it
PREFIX_LENGTH = 24
CONTROLLER, CONTROLLER_ADDRESS = "controller", "10.99.0.254"
MAX_NODES = 200

API_PORT, SCHEDULER_PORT, GATEWAY_PORT, SCHEDULER2_PORT = 8780, 8781, 8782, 8783
CONSOLE_PORT = 6080
AMQP_PORT, EPMD_PORT, MANAGEMENT_PORT, ERLANG_PORT = 35672, 35673, 35674, 35675


@dataclass(frozen=True)
class Node:
    """Machine number N of the lab, running or not."""

    lab: Layout
    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return f"10.99.0.{10 + self.number}"

    @property
    def namespace(self) -> str:
        """Of its network, as /run/netns has it; also the name of its cable's end at the switch."""
        return f"cmlnode{self.number}"

    @property
    def folder(self) -> Path:
        """Its disks, so to speak. The node itself sees it as `inside`, and nothing else of the lab's folder."""
        return self.lab.state / "nodes" / self.name

    @property
    def inside(self) -> Path:
        """The same path on every node, as on machines of their own: a guest's disk has one path wherever it runs."""
        return self.lab.state / "self"

    @property
    def socket(self) -> Path:
        """Of its supervisor."""
        return self.folder / "run/supervisor.sock"

    @property
    def libvirt_uri(self) -> str:
        """From outside the node."""
        return f"qemu:///system?socket={self.folder}/run/libvirt/libvirt-sock"


def all_nodes(lab: Layout) -> list[Node]:
    """Every node that was ever made and not purged, by number."""
    found = [re.fullmatch(r"node(\d+)", path.name) for path in (lab.state / "nodes").glob("node*")]
    return [Node(lab, number) for number in sorted(int(match[1]) for match in found if match)]


def identity(lab: Layout) -> str:
    """Tells this lab's control groups from those of others: they are one tree for the whole machine.

    In devstack/sandbox it is the sandbox's own word, by which it cleans up when its processes have been killed.
    """
    return os.environ.get("CUMULET_SANDBOX") or hashlib.sha256(str(lab.state).encode()).hexdigest()[:8]
