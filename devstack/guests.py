"""Ending this cloud's guests on a node, by libvirt: never those of others."""

from __future__ import annotations

import subprocess
import time
from xml.etree import ElementTree

SHUTDOWN_S = 20.0
NAMESPACE = "{urn:cumulet:domain:1}"


def stop(uri: str, uuid: str) -> int:
    """Press the power button of every guest of this cloud, cut power after SHUTDOWN_S, forget the domains."""
    ours = [
        name
        for name in _virsh(uri, "list", "--all", "--name").split()
        if name.startswith("cml-") and bears(uri, name, uuid)
    ]
    running = set(_virsh(uri, "list", "--name").split()) & set(ours)
    deadline = time.monotonic() + SHUTDOWN_S
    asked_at = 0.0
    while running and time.monotonic() < deadline:
        if time.monotonic() - asked_at > 3:  # a request during boot is lost: repeat it
            asked_at = time.monotonic()
            for name in running:
                _virsh(uri, "shutdown", name)
        time.sleep(0.2)
        running &= set(_virsh(uri, "list", "--name").split())
    for name in running:
        _virsh(uri, "destroy", name)
    for name in ours:
        _virsh(uri, "undefine", name)
    return len(ours)


def bears(uri: str, name: str, uuid: str) -> bool:
    """Whether a domain carries this cloud's UUID: others' domains are never touched."""
    try:
        root = ElementTree.fromstring(_virsh(uri, "dumpxml", name))
    except ElementTree.ParseError:
        return False
    return any(
        uuid in (element.text or "") or uuid in element.attrib.values()
        for element in root.iter()
        if element.tag.startswith(NAMESPACE)
    )


def _virsh(uri: str, *words: str) -> str:
    return subprocess.run(
        ["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, timeout=60, check=False
    ).stdout
