"""One node of the lab: its files, its boot, and what may befall it."""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence

import host
import lab_cgroups
import lab_network
import services
from lab_names import CONTROLLER, CONTROLLER_ADDRESS, MAX_NODES, Node
from layout import Layout
from progress import StepFailed, wait_for
from services import BINARIES, Program

JOIN_S = 60.0
FIRST_PROBE_S = 120.0  # libvirt asks QEMU what it can, once per machine
PASSED_ON = ("PYTHONPATH", "CUMULET_KILL_FOLDER")  # to the node's services: of another checkout, and of a fault test


class Power(enum.Enum):
    ON = "on"
    OFF = "off"
    FROZEN = "frozen"


def power(node: Node) -> Power:
    group = lab_cgroups.group(node)
    if not group.pids():
        return Power.OFF
    return Power.FROZEN if group.is_frozen() else Power.ON


def install(node: Node) -> None:
    """The files of a node that is set up for the first time; kept when there."""
    services.make_folders(
        (
            (node.lab.state / "nodes", 0o711, (0, 0)),
            (node.folder, 0o711, (0, 0)),
            (node.folder / "agent", 0o711, (0, 0)),
            (node.folder / "etc", 0o755, (0, 0)),
            (node.folder / "etc/libvirt", 0o755, (0, 0)),
            (node.folder / "lib", 0o755, (0, 0)),
            (node.folder / "lib/libvirt", 0o755, (0, 0)),
            (node.folder / "log", 0o711, (0, 0)),
            (node.folder / "log/libvirt", 0o755, (0, 0)),
            (node.folder / "log/libvirt/qemu", 0o755, (0, 0)),  # without it the first guest fails
            (node.folder / "run", 0o711, (0, 0)),
        )
    )
    libvirt = node.folder / "etc/libvirt"
    for daemon, settings in host.DAEMONS.items():
        (libvirt / f"{daemon}.conf").write_text(settings)
    with (libvirt / "libvirtd.conf").open("a") as file:  # without one it takes the machine's: the same on all nodes
        file.write(f'host_uuid = "{uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.folder}")}"\n')
    (libvirt / "qemu.conf").write_text(
        f'security_driver = "none"\nmigration_address = "{node.address}"\nmigration_host = "{node.address}"\n'
    )
    _write_names(node)


def join(node: Node, sections: services.Sections, url: str, token: str) -> None:
    """Have the running node trade a token for its credentials, as an operator would. `sections`: its own settings."""
    config = node.folder / "etc/cumulet.conf"
    services.write_config(config, sections, mode=0o600)
    arguments = ["--join", url, "--token", "-", "--address", node.address, "--config", node.inside / "etc/cumulet.conf"]
    command = command_inside(node, [str(word) for word in (BINARIES / "cumulet-compute-agent", *arguments)])
    host.run(command, timeout_s=JOIN_S, what=f"joining {node.name}", stdin=token)


def has_joined(node: Node) -> bool:
    return services.has_joined(node.folder / "etc/cumulet.conf")


def boot(node: Node) -> None:
    """Switch a node on and wait until its libvirt answers. Does nothing when it is on. Raises StepFailed."""
    if power(node) is not Power.OFF:
        return
    lab_network.plug(node)
    group = lab_cgroups.group(node)
    group.make()
    _forget_last_life(node)
    services.write_supervisor_config(
        node.folder / "run/supervisord.conf", run=node.inside / "run", log=node.inside / "log", programs=_programs(node)
    )
    environment = {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "NODE_NAME": node.name,
        "NODE_FOLDER": str(node.folder),
        "NODE_INSIDE": str(node.inside),
        "NODE_NAMESPACE": node.namespace,
        "NODE_GROUP": str(group.processes),
        "NODE_GROUP_V1": lab_cgroups.version1_name(node),
        "SUPERVISORD": str(BINARIES / "supervisord"),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }
    log = node.folder / "log/boot.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(node.lab.checkout / "devstack/lab-node-boot")],
            env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    wait_for(
        lambda: process.poll() is not None or _libvirt_answers(node),
        deadline_s=FIRST_PROBE_S,
        failed=lambda: f"libvirt of {node.name} does not answer; see {node.folder}/log/libvirtd.out and boot.log",
    )
    if process.poll() is not None:
        raise StepFailed(f"{node.name} did not come up: {log.read_text(errors='replace')[-800:].strip() or log}")


def start_agent(node: Node) -> None:
    services.start_program(node.socket, "compute-agent")


def crash(node: Node) -> None:
    """A power cut: every process gone at once, and nothing there that could refuse a connection."""
    lab_network.set_cable(node, connected=False)
    lab_cgroups.group(node).kill()


def freeze(node: Node, frozen: bool) -> None:
    lab_cgroups.group(node).freeze(frozen)


def remove(node: Node) -> None:
    """Whatever the kernel has of a node, running or not; its files stay."""
    lab_cgroups.group(node).kill()
    lab_network.unplug(node)


def command_inside(node: Node, words: Sequence[str]) -> list[str]:
    """A command line that runs `words` on the node, in its group, so that they end with it. Raises StepFailed."""
    pids = lab_cgroups.group(node).pids()
    leader = _leader(node)
    if leader not in pids:
        raise StepFailed(f"{node.name} is off: devstack/lab node start {node.number}")
    script = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
    enter = ["nsenter", "--target", str(leader), "--mount", "--uts", "--net", "--wd=/", "--", *words]
    return ["sh", "-c", script, "sh", str(lab_cgroups.group(node).processes), *enter]


def existing(lab: Layout, number: int) -> Node:
    """Raises StepFailed when there is no such node."""
    node = Node(lab, number)
    if not node.folder.is_dir():
        raise StepFailed(f"the lab has no {node.name}; devstack/lab status lists them")
    return node


def _programs(node: Node) -> list[Program]:
    """The agent is started once libvirt answers, and from then on again whenever it ends."""
    etc = node.inside / "etc"
    environment = {"CUMULET_CONFIG": etc / "cumulet.conf"}
    environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    daemons = [
        Program(name, [name, "--config", f"/etc/libvirt/{name}.conf", "--pid-file", f"/run/libvirt/{name}.pid"])
        for name in host.DAEMONS
    ]
    agent = Program(
        "compute-agent",
        [BINARIES / "cumulet-compute-agent"],
        environment=environment,
        settings={"autostart": "false"},
    )
    watchdog = Program("node-watchdog", [BINARIES / "cumulet-node-watchdog"], environment=environment)
    return [*daemons, watchdog, agent]


def _forget_last_life(node: Node) -> None:
    """What a reboot empties, and what it makes anew."""
    shutil.rmtree(node.folder / "run")
    services.make_folders(((node.folder / "run", 0o711, (0, 0)), (node.folder / "run/libvirt", 0o755, (0, 0))))
    (node.folder / "etc/boot_id").write_text(f"{uuid.uuid4()}\n")


def _write_names(node: Node) -> None:
    """libvirt asks for this host's name, for both kinds of addresses, at every start of a guest, and for the other's
    when a guest moves. What is not in the file gets an answer at once: on the controller nobody serves names."""
    lines = ["127.0.0.1 localhost", "::1 localhost", f"::1 {node.name}", f"{CONTROLLER_ADDRESS} {CONTROLLER}"]
    lines += [f"{each.address} {each.name}" for each in (Node(node.lab, number) for number in range(1, MAX_NODES + 1))]
    (node.folder / "etc/hosts").write_text("\n".join(lines) + "\n")
    (node.folder / "etc/resolv.conf").write_text(f"nameserver {CONTROLLER_ADDRESS}\n")


def _leader(node: Node) -> int:
    try:
        return int((node.folder / "run/supervisord.pid").read_text())
    except (OSError, ValueError):
        return 0


def _libvirt_answers(node: Node) -> bool:
    if not (node.folder / "run/libvirt/libvirt-sock").exists():
        return False
    asked = subprocess.run(
        ["virsh", "-q", "-c", node.libvirt_uri, "uri"], capture_output=True, timeout=FIRST_PROBE_S, check=False
    )
    return asked.returncode == 0
