"""The lab's configuration files: of the controller's services, of the gateway's agent, and of each node's agent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import host
import lab_certificates
import services
from lab_engines import VHOST, database_url
from lab_names import (
    AMQP_PORT,
    API_PORT,
    CONTROLLER_ADDRESS,
    GATEWAY_PORT,
    MANAGEMENT_PORT,
    SCHEDULER2_PORT,
    SCHEDULER_PORT,
    Node,
)
from layout import SERVICE_USER, Layout
from services import BINARIES, Program, Sections

API_URL = f"http://{CONTROLLER_ADDRESS}:{API_PORT}"
SCHEDULERS = {"scheduler1": SCHEDULER_PORT, "scheduler2": SCHEDULER2_PORT}
SMALLEST_NODE_MIB = 1024
NODE_DISK_GIB = 20


def write(layout: Layout, known: Mapping[str, str], group: int) -> None:
    """The controller's files. The first scheduler reads the API's."""
    services.write_config(layout.config, _controller(layout, known, "scheduler1"), group=group)
    services.write_config(layout.etc / "scheduler2.conf", _controller(layout, known, "scheduler2"), group=group)


def programs(layout: Layout) -> list[Program]:
    """api, console and schedulers as an ordinary user, the gateway's agent as root; `lab up` starts them when it is time."""
    waiting = {"autostart": "false"}
    files = {
        "api": layout.config,
        "console": layout.config,
        "scheduler1": layout.config,
        "scheduler2": layout.etc / "scheduler2.conf",
    }
    made = [
        Program(name, [BINARIES / f"cumulet-{name.rstrip('12')}"], SERVICE_USER, {"CUMULET_CONFIG": file}, waiting)
        for name, file in files.items()
    ]
    gateway = {"CUMULET_CONFIG": layout.etc / "gateway.conf"}
    return [*made, Program("gateway", [BINARIES / "cumulet-compute-agent"], "root", gateway, waiting)]


def _controller(layout: Layout, known: Mapping[str, str], scheduler: str) -> Sections:
    return {
        "cloud": {"uuid": known["cloud_uuid"], **_folders(layout.state, layout.log, layout.run)},
        "database": {"url": database_url(layout)},
        "bus": {
            "url": f"amqp://{SERVICE_USER}:{known['broker']}@127.0.0.1:{AMQP_PORT}/{VHOST}",
            "node_url": f"amqp://{CONTROLLER_ADDRESS}:{AMQP_PORT}/{VHOST}",
            "management_url": f"http://{SERVICE_USER}:{known['broker']}@127.0.0.1:{MANAGEMENT_PORT}",
        },
        "api": {"listen": f"127.0.0.1,{CONTROLLER_ADDRESS}", "port": API_PORT, "public_url": API_URL, "workers": 2},
        "identity": {"fernet_dir": layout.state / "fernet"},
        "image": {"store_dir": layout.state / "images"},
        "console": {"novnc_dir": layout.novnc},
        "scheduler": {"name": scheduler, "health_port": SCHEDULERS[scheduler]},
        "network": {"dns_upstreams": host.dns_upstreams()},
    }


def gateway(layout: Layout) -> Sections:
    """The agent on the controller: no guests, but the gateway of every network. The rest it learns by joining."""
    state = layout.state / "gateway"
    return {
        "cloud": _folders(state, layout.log, layout.run),
        "agent": {
            "driver": "none",
            "health_port": GATEWAY_PORT,
            "state_dir": state,
            "image_secret_file": state / "node.secret",
        },
    }


def node(node: Node, virt_type: str) -> Sections:
    """What is decided on the node itself, in paths as it sees them. The rest it learns by joining."""
    state = node.inside / "agent"
    return {
        "cloud": _folders(node.inside, node.inside / "log", node.inside / "run"),
        "agent": {
            "driver": virt_type,
            "state_dir": state,
            "image_secret_file": state / "node.secret",
            "memory_mib": _memory_mib(),
            "disk_gib": NODE_DISK_GIB,
        },
        "storage": {
            "volume_backends": "nbd,files",
            "nbd_ca_file": node.inside / "etc/nbd" / lab_certificates.CA,
            "nbd_cert_file": node.inside / "etc/nbd" / lab_certificates.CERTIFICATE,
            "nbd_key_file": node.inside / "etc/nbd" / lab_certificates.KEY,
        },
    }


def _folders(state: Path, log: Path, run: Path) -> dict[str, object]:
    return {"state_dir": state, "log_dir": log, "run_dir": run}


def _memory_mib() -> int:
    """A fixed share of the machine's, so that a lab of four promises no more than there is."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(SMALLEST_NODE_MIB, total // 5 // 256 * 256)
