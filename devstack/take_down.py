"""The part of `devstack/down` that runs in the virtual environment.

Order matters: the agent goes first, so that nobody reports the guests' end as their own wish; what should run is still
written in the database, and the next `up` restores it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import guests
import host
from layout import SERVICE_USER, Layout, find, lab_is_up

SYSTEM = "qemu:///system"
DEFINITIONS = Path("/etc/libvirt/qemu")
STATE_FOLDERS = (
    "agent",
    "bus",
    "db",
    "debs",
    "fernet",
    "guest",
    "images",
    "novnc",
)  # not venv, which down itself runs in


def main() -> int:
    layout = find()
    purge = "--purge" in sys.argv[1:]
    if host.end(layout.supervisor_pid, timeout_s=40):
        print("  services stopped")
    uuid = cloud_uuid(layout)
    if uuid and any(DEFINITIONS.glob("cml-*.xml")):
        host.start_libvirt(layout.run)  # it may have died, or not be running yet after a reboot
    if uuid and host.libvirt_answers():
        print(f"  {guests.stop(SYSTEM, uuid)} guests stopped")
    if not lab_is_up():  # whose gateway is in this network, too; up and lab don't run at the same time
        tear_down_network(layout)
    for daemon in reversed(list(host.DAEMONS)):
        if host.end(layout.run / f"{daemon}.pid"):
            print(f"  {daemon} stopped")
    if purge:
        remove_data(layout)
        print("  data removed")
    return 0


def cloud_uuid(layout: Layout) -> str:
    try:
        lines = layout.config.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split("=", 1)[1].strip() for line in lines if line.startswith("uuid")), "")


def tear_down_network(layout: Layout) -> None:
    """Bridges, namespaces, dnsmasq and tables: the agent knows what it made."""
    if layout.config.exists():
        agent = Path(sys.executable).parent / "cumulet-compute-agent"
        host.run(
            [str(agent), "--teardown-network"],
            timeout_s=60,
            what="removing bridges, namespaces and tables",
            env={**os.environ, "CUMULET_CONFIG": str(layout.config)},
        )
        print("  network removed")


def remove_data(layout: Layout) -> None:
    """What up and the services made, by name: a state folder that somebody named may hold other things."""
    for name in STATE_FOLDERS:
        shutil.rmtree(layout.state / name, ignore_errors=True)
    for folder in (layout.etc, layout.log, layout.run):
        shutil.rmtree(folder, ignore_errors=True)
    if layout.state.is_dir() and not any(layout.state.iterdir()):
        layout.state.rmdir()
    for name in ("openrc", "openrc.demo", "clouds.yaml", "id_demo", "id_demo.pub"):
        (layout.client / name).unlink(missing_ok=True)
    if layout.is_default and not (layout.state / "lab").exists():  # another cloud's files may be the user's, too
        subprocess.run(["userdel", SERVICE_USER], capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
