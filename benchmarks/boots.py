"""accept_p50_ms, overhead_p50_ms and boots_per_s: servers made through the API, one at a time and many at once."""

from __future__ import annotations

import time

from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.figures import Figure, p
from benchmarks.many import ask_for_all
from benchmarks.processes import Meter

CLIENTS, WARM_UP = 8, 20


def one_at_a_time(cloud: BenchCloud, count: int) -> list[Figure]:
    """Each on the network `shared`; the next is asked for when the one before is ACTIVE."""
    client = cloud.client()
    accepted, overheads = [], []
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            meter = Meter(cloud.groups)
        began = time.perf_counter()
        reply = client.request("POST", "/compute/v2.1/servers", cloud.server(f"one{number}", "auto"))
        accepted.append((time.perf_counter() - began) * 1000)
        server_id = reply["server"]["id"]
        wait_for(f"server {server_id}", lambda: _is_active(cloud, server_id), pause_s=0.002)  # noqa: B023
        overheads.append((time.perf_counter() - began) * 1000 - _inside_tools_ms(cloud, server_id))
    per_boot = {name: round(used / count, 1) for name, used in meter.used_ms().items()}
    client.close()
    accepted, overheads = accepted[WARM_UP:], overheads[WARM_UP:]
    return [
        Figure("accept_p50_ms", p(50, accepted), 10, more={"p99": p(99, accepted), "api_cpu_ms": per_boot["api"]}),
        Figure("overhead_p50_ms", p(50, overheads), 100, more={"p99": p(99, overheads), "cpu_ms_per_boot": per_boot}),
    ]


def many_at_once(cloud: BenchCloud, count: int) -> Figure:
    """`count` servers without networks from CLIENTS clients; from the first POST to the last ACTIVE."""
    clients = [cloud.client() for _ in range(CLIENTS)]
    before = _active(cloud)
    meter = Meter(cloud.groups)
    began = time.perf_counter()
    ask_for_all(clients, (cloud.server(f"many{number}") for number in range(count)))
    accepted_s = time.perf_counter() - began
    wait_for(f"{count} servers", lambda: _active(cloud) - before >= count, timeout_s=300, pause_s=0.1)
    took_s = time.perf_counter() - began
    used = meter.used_ms()
    for client in clients:
        client.close()
    per_boot = {name: round(ms / count, 1) for name, ms in used.items()}
    return Figure(
        "boots_per_s", count / took_s, 50, at_least=True,
        more={
            "gate": 25, "servers": count, "accepted_per_s": round(count / accepted_s, 1),
            "cpu_ms_per_boot": {**per_boot, "all": round(sum(used.values()) / count, 1)},
        },
    )  # fmt: skip


def _is_active(cloud: BenchCloud, server_id: str) -> bool:
    state = cloud.scalar("SELECT vm_state FROM instances WHERE id = :id", id=server_id)
    if state == "error":
        raise RuntimeError(f"server {server_id} is in ERROR")
    return bool(state == "active")


def _active(cloud: BenchCloud) -> int:
    return int(cloud.scalar("SELECT count(*) FROM instances WHERE vm_state = 'active'"))


def _inside_tools_ms(cloud: BenchCloud, server_id: str) -> float:
    """What the report says of image, disks, ports and domain."""
    timings = cloud.scalar(
        "SELECT results -> 'ensure_instance' -> 'timings_ms' FROM operations WHERE resource_id = :id", id=server_id
    )
    return float(sum((timings or {}).values()))
