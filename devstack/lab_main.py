"""The part of `devstack/lab` that runs in the virtual environment: its commands, and what they print."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import lab_down
import lab_network
import lab_node
import services
from lab_names import MAX_NODES, Node, all_nodes
from lab_node import Power
from lab_up import LabUp
from layout import Layout, find_lab, lab_is_up
from progress import StepFailed, step

DEFAULT_NODES = 3


def main() -> int:
    options = _parser().parse_args()
    layout = find_lab()
    try:
        return int(options.work(layout, options) or 0)
    except StepFailed as err:
        print(f"\n{err}", file=sys.stderr)
        print(f"Logs: {layout.log} and {layout.state}/nodes/*/log.", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack/lab", description="Many nodes on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start controller and nodes; what is there is kept")
    up.add_argument("--nodes", type=_number, default=DEFAULT_NODES, metavar="N")
    up.add_argument("--gateways", type=_count, default=0, metavar="N", help="let the first N nodes be gateways, too")
    up.add_argument("--virt-type", choices=("auto", "kvm", "qemu"), default="auto")
    up.add_argument("--elapsed-ms", type=int, default=0, help=argparse.SUPPRESS)
    up.set_defaults(work=_up)
    down = commands.add_parser("down", help="stop everything; data stays")
    down.add_argument("--purge", action="store_true", help="remove the data, too")
    down.set_defaults(work=_down)
    status = commands.add_parser("status", help="what runs")
    status.add_argument("--json", action="store_true")
    status.set_defaults(work=_status)
    run = commands.add_parser("exec", help="run a command on a node")
    run.add_argument("node", type=_number, metavar="N")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    run.set_defaults(work=_exec, usage_error=run.error)
    _add_node_commands(commands.add_parser("node", help="add a node; crash, freeze, thaw, cut, heal or start one"))
    return parser


def _add_node_commands(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    added = verbs.add_parser("add", help="one more node joins the running lab")
    added.add_argument("--gateway", action="store_true", help="it may have routers, and be the way out of networks")
    added.add_argument("--virt-type", choices=("auto", "kvm", "qemu"), default="auto")
    added.set_defaults(work=_add)
    for name, (what, _) in VERBS.items():
        verb = verbs.add_parser(name, help=what)
        verb.add_argument("node", type=_number, metavar="N")
        verb.set_defaults(work=_befall, verb=name)


def _count(text: str) -> int:
    return 0 if text == "0" else _number(text)


def _number(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MAX_NODES:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MAX_NODES} is expected, not {text!r}")
    return int(text)


# -- the lab ----------------------------------------------------------------------------------------------------------


def _up(layout: Layout, options: argparse.Namespace) -> None:
    begun = time.monotonic() - options.elapsed_ms / 1000
    lab = LabUp(layout, options.nodes, options.virt_type, gateways=options.gateways)
    try:
        lab.run()
    except StepFailed as err:
        raise StepFailed(f"{err}\nRun devstack/lab up again after mending it, or devstack/lab down.") from err
    client = layout.client
    print(f"""
The lab is up after {time.monotonic() - begun:.1f} s: {len(lab.nodes)} nodes.

  openstack source {client}/openrc.demo && openstack server create --image cumulet-guest --flavor c1.tiny \\
                --network shared --key-name demo --min 6 --max 6 --wait s
            source {client}/openrc (administrator) && openstack hypervisor list
  SSH       ssh -i {client}/id_demo root@ADDRESS, from this machine
  nodes     devstack/lab status; devstack/lab exec 1 virsh list; devstack/lab node crash 2; devstack/lab node add
  API       {lab.registration.url}; logs in {layout.log} and {layout.state}/nodes/*/log
  Stop      devstack/lab down (data stays; devstack/lab up brings the servers back), devstack/lab down --purge
""")
    print(f"OPENRC={client}/openrc")


def _down(layout: Layout, options: argparse.Namespace) -> None:
    lab_down.run(layout, purge=options.purge)


def _status(layout: Layout, options: argparse.Namespace) -> int:
    """Exit status 1 when something that should run does not."""
    controller = services.program_states(layout.run / "supervisor.sock")
    nodes = {node.name: _describe(node) for node in all_nodes(layout)} if lab_is_up() else {}
    if options.json:
        print(json.dumps({"controller": controller, "nodes": nodes}, indent=2))
    else:
        print("The lab is down." if not controller else "controller")
        for name, state in controller.items():
            print(f"  {name:<14}{state}")
        for name, facts in nodes.items():
            programs = ", ".join(f"{program} {state}" for program, state in facts["programs"].items())
            print(f"{name:<16}{facts['address']:<14}{facts['power']:<8}{facts['cable']:<10}{programs}")
    well = all(state == "RUNNING" for state in controller.values())
    return 0 if controller and well and all(facts["power"] == Power.ON.value for facts in nodes.values()) else 1


def _describe(node: Node) -> dict[str, object]:
    power = lab_node.power(node)
    return {
        "address": node.address,
        "power": power.value,
        "cable": "connected" if lab_network.is_connected(node) else "cut",
        "programs": services.program_states(node.socket) if power is Power.ON else {},
        "libvirt": node.libvirt_uri,
    }


def _exec(layout: Layout, options: argparse.Namespace) -> NoReturn:
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        options.usage_error("a command is expected")
    command = lab_node.command_inside(lab_node.existing(layout, options.node), words)
    sys.stdout.flush()
    os.execvp(command[0], command)


# -- one node ---------------------------------------------------------------------------------------------------------


def _add(layout: Layout, options: argparse.Namespace) -> None:
    if not lab_is_up():
        raise StepFailed("the lab is down: devstack/lab up")
    number = max((node.number for node in all_nodes(layout)), default=0) + 1
    if number > MAX_NODES:
        raise StepFailed(f"the lab's network has room for {MAX_NODES} nodes")
    lab = LabUp(layout, 0, options.virt_type, gateways=number if options.gateway else 0)
    lab.add(Node(layout, number))


def _befall(layout: Layout, options: argparse.Namespace) -> None:
    node = lab_node.existing(layout, options.node)
    if not lab_is_up():
        raise StepFailed("the lab is down: devstack/lab up")
    _, work = VERBS[options.verb]
    step(f"{options.verb} {node.name}", lambda: work(node))


def _crash(node: Node) -> str:
    lab_node.crash(node)
    return "every process killed, cable dead"


def _freeze(node: Node) -> str:
    _must_run(node)
    lab_node.freeze(node, True)
    return "every process stopped where it was, guests too"


def _thaw(node: Node) -> str:
    lab_node.freeze(node, False)
    return "goes on"


def _cut(node: Node) -> str:
    _must_run(node)
    lab_network.set_cable(node, connected=False)
    return "cable pulled; everything on it goes on"


def _heal(node: Node) -> str:
    _must_run(node)
    lab_network.set_cable(node, connected=True)
    return "cable back"


def _start(node: Node) -> str:
    if lab_node.power(node) is not Power.OFF:
        return "was on"
    lab_node.boot(node)
    lab_node.start_agent(node)
    return "booted; its agent starts the guests that should run"


def _must_run(node: Node) -> None:
    if lab_node.power(node) is Power.OFF:
        raise StepFailed(f"{node.name} is off: devstack/lab node start {node.number}")


VERBS: dict[str, tuple[str, Callable[[Node], str]]] = {
    "crash": ("cut its power: every process dies at once", _crash),
    "freeze": ("stop every process where it is, as a hung machine", _freeze),
    "thaw": ("let a frozen node go on", _thaw),
    "cut": ("pull its network cable", _cut),
    "heal": ("plug its network cable in again", _heal),
    "start": ("switch it on again after a crash", _start),
}


if __name__ == "__main__":
    sys.exit(main())
