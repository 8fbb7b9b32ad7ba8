"""Ports of one network on three nodes: how long until each node of the network knows of a port, and what that is told by.

Real agents with real bridges, tunnels, filters and DHCP, each node a network namespace with a /run/netns of its own. The
hypervisor is `fake`: no guest boots. At the end namespaces stand at the taps of one server of each node, and must reach
one another. Needs root, and a machine's network of its own: devstack/sandbox.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.figures import Figure, p
from benchmarks.many import ask_for_all
from benchmarks.processes import Meter
from common.secret import Secret
from compute_agent.identity import image_secret
from compute_agent.networking import names, namespaces
from tests.functional import agent_netlab as lab

AT_ONCE, ONE_BY_ONE, CLIENTS = 180, 20, 8
BRIDGE, HERE, HEALTH_PORT = "bench0", "192.0.2.254", 8782
NODES = {f"{lab.TAG}-p{number}": f"192.0.2.{number}" for number in (1, 2, 3)}
#: The node's agent sees namespaces of its own, as on a machine of its own.
_OWN_MOUNTS = 'mount -t tmpfs tmpfs /run/netns && exec "$0"'
_COMMANDS = re.compile(r'^cumulet_agent_commands_total\{.*kind="(\w+)".*\} (\S+)$', re.MULTILINE)


def across_nodes(cloud: BenchCloud) -> list[Figure]:
    """AT_ONCE servers from CLIENTS clients, then ONE_BY_ONE more, each with a port in the same network."""
    with _nodes(cloud):
        cloud.start_api(2)
        cloud.start_scheduler("s1")
        for name, address in NODES.items():
            _start_agent(cloud, name, address)
        cloud.wait_for_agents(len(NODES))
        cloud.furnish()
        together, alone = _at_once(cloud), _one_by_one(cloud)
        _check_packets(cloud)
    return [together, alone]


def _at_once(cloud: BenchCloud) -> Figure:
    before, meter, began = _messages(), Meter(cloud.groups), time.perf_counter()
    clients = [cloud.client() for _ in range(CLIENTS)]
    ask_for_all(clients, (_server(cloud, f"together{number}") for number in range(AT_ONCE)))
    for client in clients:
        client.close()
    wait_for(f"{AT_ONCE} servers on nodes that know", lambda: _all_known(cloud, AT_ONCE), timeout_s=300, pause_s=0.05)
    took_s = time.perf_counter() - began
    used = {name: round(ms / AT_ONCE, 1) for name, ms in meter.used_ms().items()}
    more = {"ports": AT_ONCE, **_per_port(before, AT_ONCE), "cpu_ms_per_port": used}
    return Figure("ports_at_once_s", took_s, None, more=more)


def _one_by_one(cloud: BenchCloud) -> Figure:
    """Each when every node knows of the one before."""
    client, active, known = cloud.client(), [], []
    before = _messages()
    for number in range(ONE_BY_ONE):
        began, there = time.perf_counter(), AT_ONCE + number + 1
        client.request("POST", "/compute/v2.1/servers", _server(cloud, f"alone{number}"))
        wait_for("the server", lambda: _active(cloud) == there, pause_s=0.005)  # noqa: B023
        active.append((time.perf_counter() - began) * 1000)
        wait_for("every node", lambda: _all_known(cloud, there), pause_s=0.005)  # noqa: B023
        known.append((time.perf_counter() - began) * 1000)
    client.close()
    more = {"p90": p(90, known), "active_p50": p(50, active), **_per_port(before, ONE_BY_ONE)}
    return Figure("port_p50_ms", p(50, known), None, more=more)


def _server(cloud: BenchCloud, name: str) -> dict[str, Any]:
    return cloud.server(name, [{"uuid": cloud.network_id}])


def _active(cloud: BenchCloud) -> int:
    failed = cloud.scalar("SELECT count(*) FROM instances WHERE vm_state = 'error'")
    if failed:
        raise RuntimeError(f"{failed} servers are in ERROR")
    return int(cloud.scalar("SELECT count(*) FROM instances WHERE vm_state = 'active'"))


def _all_known(cloud: BenchCloud, servers: int) -> bool:
    """All are ACTIVE, and each node has confirmed the newest state of its networks."""
    behind = cloud.scalar("SELECT count(*) FROM nodes WHERE network_applied < network_wanted")
    return behind == 0 and _active(cloud) == servers


def _messages() -> dict[str, float]:
    """Commands that all agents have ended, by kind."""
    found: dict[str, float] = {}
    for name in NODES:
        page = namespaces.call_in(name, _metrics)
        for kind, count in _COMMANDS.findall(page):
            found[kind] = found.get(kind, 0) + float(count)
    return found


def _metrics() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", HEALTH_PORT, timeout=10)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    return page


def _per_port(before: dict[str, float], ports: int) -> dict[str, float]:
    now = _messages()
    return {f"{kind}_per_port": round((now[kind] - before.get(kind, 0)) / ports, 2) for kind in sorted(now)}


# ---------------------------------------------------------------------------------------------------------------------
# Nodes


@contextmanager
def _nodes(cloud: BenchCloud) -> Iterator[None]:
    """Namespaces joined by a bridge, from which the broker's loopback port is reached, too."""
    broker = int(cloud.config.bus.url.reveal().partition("@")[2].partition(":")[2].partition("/")[0])
    with ExitStack() as stack:
        stack.callback(lab.remove, *NODES)
        stack.callback(subprocess.run, ["ip", "link", "delete", BRIDGE], check=False, capture_output=True)
        stack.callback(cloud.stop)  # before what the agents stand in
        lab.ip("link", "add", BRIDGE, "type", "bridge")
        lab.ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        lab.ip("link", "set", BRIDGE, "up")
        subprocess.run(["sysctl", "-qw", f"net.ipv4.conf.{BRIDGE}.route_localnet=1"], check=True)
        subprocess.run(["nft", "-f", "-"], input=_to_loopback(broker).encode(), check=True)
        for number, (name, address) in enumerate(NODES.items()):
            lab.ip("netns", "add", name)
            lab.ip("link", "add", f"bench-n{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            lab.ip("link", "set", f"bench-n{number}", "master", BRIDGE, "up")
            lab.ip("-n", name, "link", "set", "lo", "up")
            lab.ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            lab.ip("-n", name, "link", "set", "eth0", "up")
        yield


def _to_loopback(port: int) -> str:
    rule = f"ip daddr {HERE} tcp dport {port} dnat to 127.0.0.1:{port}"
    return f"table ip bench {{\nchain before {{\ntype nat hook prerouting priority -100;\n{rule}\n}}\n}}\n"


def _start_agent(cloud: BenchCloud, name: str, address: str) -> None:
    folder = cloud.folder / name
    for each in (folder, folder / "run"):  # dnsmasq gives up root and must pass through
        each.mkdir()
        each.chmod(0o711)
    secret_file = folder / "secret"
    bus = cloud.enrol(name, image_secret(secret_file))
    config = replace(
        cloud.config,
        cloud=replace(cloud.config.cloud, run_dir=str(folder / "run"), state_dir=str(folder)),
        agent=replace(
            cloud.config.agent, node=name, state_dir=str(folder), image_secret_file=str(secret_file), address=address,
            health_port=HEALTH_PORT,
        ),
        bus=replace(bus, url=Secret(bus.url.reveal().replace("127.0.0.1", HERE))),
        network=replace(cloud.config.network, networking="linux"),
    )  # fmt: skip
    within = ["nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--propagation", "private",
              "sh", "-c", _OWN_MOUNTS]  # fmt: skip
    cloud.start("agents", "cumulet-compute-agent", config, name, within)


# ---------------------------------------------------------------------------------------------------------------------
# Packets


def _check_packets(cloud: BenchCloud) -> None:
    """Raises RuntimeError unless servers of different nodes reach one another. Their group lets its members in."""
    guests = {name: _guest(cloud, name) for name in NODES}
    try:
        for name, guest in guests.items():
            guest.plug(names.bridge(cloud.network_id), node=name)
        pairs = [(one, two) for one in guests.values() for two in guests.values() if one is not two]
        silent = [f"{one.ipv4} to {two.ipv4}" for one, two in pairs if not lab.pings(one.name, two.ipv4)]
    finally:
        for guest in guests.values():
            guest.unplug()
    if silent:
        raise RuntimeError(f"packets don't arrive: {', '.join(silent)}")


def _guest(cloud: BenchCloud, node: str) -> lab.Guest:
    """What stands at the tap of one server of a node."""
    of_node = (
        "FROM ports JOIN nodes ON nodes.id = ports.binding_node_id WHERE nodes.name = :node ORDER BY ports.id LIMIT 1"
    )
    port_id = cloud.scalar(f"SELECT ports.id {of_node}", node=node)
    mac = cloud.scalar("SELECT mac_address FROM ports WHERE id = :id", id=port_id)
    address = cloud.scalar("SELECT ip_address FROM ip_allocations WHERE port_id = :id", id=port_id)
    return lab.Guest(f"{node}-g", port_id, mac, (f"{address}/16",))
