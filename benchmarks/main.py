"""`benchmarks/run`: the figures of docs/performance.md. A table for people, --json for programs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import actions, boots, footprint, images, network_ports, real_disks, scale, served_volume
from benchmarks.cloud import BenchCloud, running
from benchmarks.figures import Figure

ONE_AT_A_TIME, MANY = 100, 500


@dataclass(frozen=True)
class Measure:
    """keys: the figures it gives. Each has a cloud of its own, so that none sees what another left behind."""

    keys: tuple[str, ...]
    take: Callable[[BenchCloud], list[Figure]]


def _boots_one(cloud: BenchCloud) -> list[Figure]:
    _start(cloud, workers=2, agents=1)
    return boots.one_at_a_time(cloud, ONE_AT_A_TIME)


def _boots_many(cloud: BenchCloud) -> list[Figure]:
    _start(cloud, workers=2, agents=4)
    boots.many_at_once(cloud, boots.WARM_UP)
    return [boots.many_at_once(cloud, MANY)]


def _list(cloud: BenchCloud) -> list[Figure]:
    _start(cloud, workers=1, agents=1)
    return [scale.list_1000(cloud)]


def _idle(cloud: BenchCloud) -> list[Figure]:
    _start(cloud, workers=2, agents=1)
    return [footprint.idle_pss(cloud)]


def _images(cloud: BenchCloud) -> list[Figure]:
    cloud.start_api(1)
    return images.up_and_down(cloud)


def _start(cloud: BenchCloud, *, workers: int, agents: int) -> None:
    cloud.start_api(workers)
    cloud.start_scheduler("s1")
    cloud.start_agents(agents)
    cloud.furnish()


MEASURES = (
    Measure(("accept_p50_ms", "overhead_p50_ms"), _boots_one),
    Measure(("boots_per_s",), _boots_many),
    Measure(("action_overhead_ms",), actions.on_fake),
    Measure(("action_on_qemu_ms",), actions.on_qemu),
    Measure(("schedule_p50_ms", "claim_p50_ms"), scale.placement),
    Measure(("list_1000_ms",), _list),
    Measure(("idle_pss_mib",), _idle),
    Measure(("image_upload_ratio", "image_download_ratio"), _images),
    Measure(("server_create_ratio", "volume_from_image_ratio"), real_disks.against_tools),
    Measure(tuple(load.key for load in served_volume.LOADS), served_volume.against_a_file),
    Measure(("ports_at_once_s", "port_p50_ms"), network_ports.across_nodes),
    Measure(("start_s",), lambda cloud: [footprint.start(cloud)]),
)


def main() -> int:
    known = [key for measure in MEASURES for key in measure.keys]
    parser = argparse.ArgumentParser(prog="benchmarks/run", description="Measure what Cumulet costs.")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--only", metavar="KEY,…", default=",".join(known), help=f"of {', '.join(known)}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended and removed
    wanted = set(options.only.split(","))
    if unknown := wanted - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    found: dict[str, Figure] = {}
    for measure in MEASURES:
        if not wanted & set(measure.keys):
            continue
        with running() as cloud:
            try:
                figures = measure.take(cloud)
            except Exception:
                _show_logs(cloud)
                raise
        for figure in figures:
            found[figure.key] = figure
            print(figure.as_line(), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        machine = {"cpus": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 2)}
        print(json.dumps({**{key: figure.as_json() for key, figure in found.items()}, "machine": machine}, indent=2))
    return 0


def _show_logs(cloud: BenchCloud) -> None:
    """The ends of the services' logs, which are removed with the folder."""
    for path in sorted(cloud.folder.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-5:]
        print(f"--- {path.name}", *lines, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
