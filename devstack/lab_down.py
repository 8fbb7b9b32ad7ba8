"""`lab down`: stop the lab and leave nothing running or configured; what it has is data, kept unless purged.

The agents go first, so that nobody reports the guests' end as their own wish: the next `lab up` starts them again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import guests
import host
import lab_cgroups
import lab_network
import lab_node
import services
from lab_names import Node, all_nodes
from lab_node import Power
from layout import SERVICE_USER, Layout
from progress import side_by_side, step

CLIENT_FILES = ("openrc", "openrc.demo", "clouds.yaml", "id_demo", "id_demo.pub")


def run(layout: Layout, *, purge: bool) -> None:
    """All steps. Raises StepFailed."""
    nodes = all_nodes(layout)
    step("Guests", lambda: _stop_guests(layout, nodes))
    step("Nodes", lambda: _stop_nodes(nodes))
    step("Controller", lambda: _stop_controller(layout))
    step("Lab network", lambda: _remove_network(layout))
    if purge:
        step("Data", lambda: _remove_data(layout))


def _stop_guests(layout: Layout, nodes: list[Node]) -> str:
    """On nodes that run; those of a frozen one go with it, as they would if somebody pulled its plug."""
    running = [node for node in nodes if lab_node.power(node) is Power.ON]
    uuid = json.loads(layout.secrets.read_text())["cloud_uuid"] if layout.secrets.exists() else ""
    stopped: list[int] = []

    def stop(node: Node) -> None:
        if "compute-agent" in services.program_states(node.socket):
            services.stop_program(node.socket, "compute-agent")
        stopped.append(guests.stop(node.libvirt_uri, uuid))

    side_by_side(stop, running if uuid else [])
    return f"{sum(stopped)} on {len(running)} nodes"


def _stop_nodes(nodes: list[Node]) -> str:
    side_by_side(lab_node.remove, nodes)
    return ", ".join(node.name for node in nodes) or "none"


def _stop_controller(layout: Layout) -> str:
    _tear_down_gateway(layout)
    return "services stopped" if host.end(layout.supervisor_pid, timeout_s=60) else "was not running"


def _tear_down_gateway(layout: Layout) -> None:
    """Bridges, namespaces and tables of the agent on the controller: it knows what it made."""
    config = layout.etc / "gateway.conf"
    if not config.exists():
        return
    socket = layout.run / "supervisor.sock"
    if services.program_states(socket).get("gateway") == "RUNNING":
        services.stop_program(socket, "gateway")
    host.run(
        [str(services.BINARIES / "cumulet-compute-agent"), "--teardown-network"],
        timeout_s=60, what="removing the gateway's bridges, namespaces and tables",
        env={**os.environ, "CUMULET_CONFIG": str(config)},
    )  # fmt: skip


def _remove_network(layout: Layout) -> str:
    lab_network.remove_switch()
    lab_cgroups.remove_all(layout)
    return "cables, switch and control groups removed"


def _remove_data(layout: Layout) -> str:
    """The lab's folder is its own from top to bottom; of the folders around it only what it wrote."""
    shutil.rmtree(layout.state, ignore_errors=True)
    for name in CLIENT_FILES:
        (layout.client / name).unlink(missing_ok=True)
    if layout.shared == Path("/var/lib/cumulet") and not (layout.shared / "db").exists():  # nor a cloud of `up`'s
        subprocess.run(["userdel", SERVICE_USER], capture_output=True, check=False)
    return f"{layout.state} removed"
