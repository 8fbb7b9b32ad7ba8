"""action_overhead_ms, action_on_qemu_ms: what an action costs beyond what the node's tools take, from request to end.

A server is walked through everything that can be asked of it, some rounds long. What counts is the slowest action's median;
the others stand beside it. With the driver `fake`, whose guests obey at once, everything but the tools' time is Cumulet's;
with QEMU it is what the agent's own timings leave.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import real_disks
from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.ends import Ends, told
from benchmarks.figures import Figure, p
from benchmarks.http import Client

ROUNDS, QEMU_ROUNDS, TARGET_MS = 10, 5, 100
BIGGER = "c1.bigger"
_DEADLINE_S = 120.0


@dataclass(frozen=True)
class Step:
    """path: below the server. ends: its vm_state afterwards; "": the request itself is all there is to it."""

    name: str
    ends: str
    body: Any = None
    method: str = "POST"
    path: str = "action"


def _act(action: str, ends: str, body: Any = None, name: str = "") -> Step:
    return Step(name or action, ends, {action: body})


#: what needs nothing of the guest, so that it can be asked of one without a system
_OF_MEMORY = (
    _act("pause", "paused"), _act("unpause", "active"), _act("suspend", "suspended"), _act("resume", "active"),
    _act("reboot", "active", {"type": "HARD"}, "reboot hard"), _act("lock", ""), _act("unlock", ""),
    _act("os-getConsoleOutput", "", {}), _act("trigger_crash_dump", ""),
)  # fmt: skip


def on_fake(cloud: BenchCloud) -> list[Figure]:
    cloud.start_api(2)
    cloud.start_scheduler("s1")
    cloud.start_agents(1)
    cloud.furnish()
    client = cloud.client()
    with told(cloud) as ends:
        server_id = _server(cloud, client, ends)
        port, volume_id = _parts(cloud, client)
        steps = (*_OF_MEMORY, *_with_the_guests_help(cloud, port, volume_id))
        figure = _figure("action_overhead_ms", _walk(cloud, client, ends, server_id, steps, ROUNDS))
    client.close()
    return [figure]


def on_qemu(cloud: BenchCloud) -> list[Figure]:
    with real_disks.on_qemu(cloud) as (client, _), told(cloud) as ends:
        server_id = _server(cloud, client, ends)
        steps = (*_OF_MEMORY, _act("rebuild", "active", {"imageRef": cloud.image_id}))
        return [_figure("action_on_qemu_ms", _walk(cloud, client, ends, server_id, steps, QEMU_ROUNDS))]


def _with_the_guests_help(cloud: BenchCloud, port_id: str, volume_id: str) -> tuple[Step, ...]:
    image = {"imageRef": cloud.image_id}
    return (
        _act("reboot", "active", {"type": "SOFT"}, "reboot soft"), _act("os-stop", "stopped"), _act("os-start", "active"),
        _act("rebuild", "active", image), _act("rescue", "rescued"), _act("unrescue", "active"),
        _act("createImage", "active", {"name": "bench"}),
        _act("createBackup", "active", {"name": "bench", "backup_type": "daily", "rotation": 1}),
        _act("resize", "resized", {"flavorRef": BIGGER}), _act("revertResize", "active"),
        _act("resize", "resized", {"flavorRef": BIGGER}), _act("confirmResize", "active"),
        _act("resize", "resized", {"flavorRef": "c1.tiny"}), _act("confirmResize", "active"),
        _act("shelve", "shelved_offloaded"), _act("unshelve", "active"),
        Step("attach interface", "active", {"interfaceAttachment": {"port_id": port_id}}, path="os-interface"),
        Step("detach interface", "active", method="DELETE", path=f"os-interface/{port_id}"),
        Step("attach volume", "active", {"volumeAttachment": {"volumeId": volume_id}}, path="os-volume_attachments"),
        Step("detach volume", "active", method="DELETE", path=f"os-volume_attachments/{volume_id}"),
    )  # fmt: skip


def _server(cloud: BenchCloud, client: Client, ends: Ends) -> str:
    admin = cloud.client("admin", "admin")
    flavor = {"id": BIGGER, "name": BIGGER, "vcpus": 1, "ram": 256, "disk": 1}  # a disk would not shrink again
    admin.request("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    admin.close()
    server_id = str(client.request("POST", "/compute/v2.1/servers", cloud.server("walker"))["server"]["id"])
    ends.wait(server_id, _DEADLINE_S)
    return server_id


def _parts(cloud: BenchCloud, client: Client) -> tuple[str, str]:
    """A port and a volume to be attached."""
    port = client.request("POST", "/network/v2.0/ports", {"port": {"network_id": cloud.network_id}})["port"]["id"]
    volume = client.request("POST", "/volume/v3/volumes", {"volume": {"size": 1}})["volume"]["id"]
    path = f"/volume/v3/volumes/{volume}"
    wait_for("a volume", lambda: client.request("GET", path)["volume"]["status"] == "available")
    return str(port), str(volume)


def _walk(
    cloud: BenchCloud, client: Client, ends: Ends, server_id: str, steps: Sequence[Step], rounds: int
) -> Mapping[str, list[float]]:
    """The milliseconds of each action in each round; the first round, in which everything is new, is not among them."""
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for step in steps:
            took_ms = _take(cloud, client, ends, server_id, step)
            if number:
                found[step.name].append(took_ms)
    return found


def _take(cloud: BenchCloud, client: Client, ends: Ends, server_id: str, step: Step) -> float:
    known = _operations(cloud, server_id)
    began = time.perf_counter()
    client.request(step.method, f"/compute/v2.1/servers/{server_id}/{step.path}", step.body)
    if step.ends:
        ends.wait(server_id, _DEADLINE_S)
    took_ms = (time.perf_counter() - began) * 1000
    state = cloud.scalar("SELECT vm_state FROM instances WHERE id = :id", id=server_id)
    if step.ends and state != step.ends:
        raise RuntimeError(f"{step.name} led to {state}, not to {step.ends}")
    results = [result for id_, result in _operations(cloud, server_id).items() if id_ not in known]
    return took_ms - sum(_inside_tools_ms(result) for result in results)


def _operations(cloud: BenchCloud, server_id: str) -> dict[str, Any]:
    rows = cloud.rows("SELECT id, results FROM operations WHERE resource_id = :id", id=server_id)
    return {row.id: row.results for row in rows}


def _inside_tools_ms(results: Mapping[str, Any]) -> float:
    return float(sum(sum((step or {}).get("timings_ms", {}).values()) for step in results.values()))


def _figure(key: str, found: Mapping[str, list[float]]) -> Figure:
    medians = {name: p(50, values) for name, values in found.items()}
    slowest = max(medians, key=lambda name: medians[name])
    worst = max(max(values) for values in found.values())
    return Figure(
        key, medians[slowest], TARGET_MS, more={"slowest": slowest, "worst_ms": round(worst, 1), "p50": medians}
    )
