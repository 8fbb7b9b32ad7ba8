"""The lab's cables: a switch in a namespace of its own, the controller's leg, and a cable to every node.

The switch is not in the controller's namespace, so that neither the controller's filters nor anybody's firewall on this
machine sees what nodes send each other.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import host
from lab_names import CONTROLLER_ADDRESS, FABRIC, PREFIX_LENGTH, SWITCH, Node
from layout import LAB_LINK

COMMAND_S = 15.0
NAMESPACES = Path("/run/netns")


def ensure_switch() -> None:
    """The namespace, the switch, and the controller's address in it."""
    if (NAMESPACES / FABRIC).exists() and Path("/sys/class/net", LAB_LINK).exists():
        return
    remove_switch()
    _ip("netns", "add", FABRIC)
    _ip("-n", FABRIC, "link", "add", SWITCH, "type", "bridge")
    host.run(
        ["ip", "netns", "exec", FABRIC, "sysctl", "-qe", "-w", "net.bridge.bridge-nf-call-iptables=0"],
        timeout_s=COMMAND_S, what="keeping filters off the lab's switch",
    )  # fmt: skip
    _ip("-n", FABRIC, "link", "set", SWITCH, "up")
    _ip("link", "add", LAB_LINK, "type", "veth", "peer", "name", LAB_LINK, "netns", FABRIC)
    _ip("-n", FABRIC, "link", "set", LAB_LINK, "master", SWITCH, "up")
    _ip("addr", "add", f"{CONTROLLER_ADDRESS}/{PREFIX_LENGTH}", "dev", LAB_LINK)
    _ip("link", "set", LAB_LINK, "up")


def remove_switch() -> None:
    """There or not. Whatever was plugged into it loses its cable."""
    if Path("/sys/class/net", LAB_LINK).exists():
        _ip("link", "del", LAB_LINK)
    if (NAMESPACES / FABRIC).exists():
        _ip("netns", "del", FABRIC)


def plug(node: Node) -> None:
    """A fresh network namespace for a node that boots: devices, tables and addresses of its last life are gone."""
    unplug(node)
    _ip("netns", "add", node.namespace)
    _ip(
        "link", "add", node.namespace, "netns", FABRIC, "type", "veth",
        "peer", "name", "eth0", "netns", node.namespace,
    )  # fmt: skip
    _ip("-n", FABRIC, "link", "set", node.namespace, "master", SWITCH, "up")
    _ip("-n", node.namespace, "link", "set", "lo", "up")
    _ip("-n", node.namespace, "addr", "add", f"{node.address}/{PREFIX_LENGTH}", "dev", "eth0")
    _ip("-n", node.namespace, "link", "set", "eth0", "up")


def unplug(node: Node) -> None:
    if _has_cable(node):
        _ip("-n", FABRIC, "link", "del", node.namespace)
    if (NAMESPACES / node.namespace).exists():
        _ip("netns", "del", node.namespace)


def set_cable(node: Node, *, connected: bool) -> None:
    """At the switch, so that nothing on the node can undo it. The node sees its carrier go."""
    _ip("-n", FABRIC, "link", "set", node.namespace, "up" if connected else "down")


def is_connected(node: Node) -> bool:
    return _has_cable(node) and "state UP" in _ip("-n", FABRIC, "link", "show", node.namespace)


def _has_cable(node: Node) -> bool:
    if not (NAMESPACES / FABRIC).exists():
        return False
    shown = subprocess.run(
        ["ip", "-n", FABRIC, "link", "show", node.namespace], capture_output=True, timeout=COMMAND_S, check=False
    )
    return shown.returncode == 0


def _ip(*words: str) -> str:
    return host.run(["ip", *words], timeout_s=COMMAND_S, what=f"ip {' '.join(words)}")
