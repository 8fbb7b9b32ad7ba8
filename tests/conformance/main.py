"""devstack/conformance: run areas of the yardstick against a running cloud, and keep the results by commit."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conformance import lists, report, results, suite_venv, tempest_conf
from tests.conformance.lists import Area
from tests.conformance.results import Kept, Result
from tests.conformance.runner import Runner

NETWORK = "shared"  # what devstack makes


def main() -> int:
    options = _parser().parse_args()
    if options.report:
        report.write(results.all_kept())
        print(f"wrote {report.PAGE}")
        return 0
    venv = suite_venv.ensure()
    if options.install:
        print(f"tempest is in {venv}")
        return 0
    kept = results.of_commit(results.commit())
    areas = [Area(options.area)] if options.area else list(Area)
    cloud = _connect()
    failed = False
    try:
        for area in areas:
            workspace = kept.folder / "workspace"
            _prepare(cloud, workspace, area, options)
            runner = Runner(venv, workspace, _teller(kept, guests=not options.no_guests), options.workers)
            failed = not _run(area, kept, runner, options) or failed
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    print(f"Kept in {kept.folder}; `devstack/conformance --report` writes docs/conformance.md.")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack/conformance", description=__doc__)
    parser.add_argument("area", nargs="?", choices=[area.value for area in Area], help="default: all, one by one")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N tests of each area, always the same")
    parser.add_argument("--again", action="store_true", help="forget this commit's results of the area first")
    parser.add_argument("--failed", action="store_true", help="run again what failed or was skipped")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-guests", action="store_true", help="don't log in to servers")
    parser.add_argument(
        "--fixed-network", metavar="NAME",
        help=f"reach servers by their address on this network; {NETWORK!r} where the cloud has no routers",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.OPTION=VALUE", help="of tempest.conf")
    parser.add_argument("--install", action="store_true", help="only make tempest's virtual environment")
    parser.add_argument("--report", action="store_true", help="only write docs/conformance.md")
    return parser


def _connect() -> Any:
    """The administrator's connection, from OS_* or OS_CLOUD."""
    import openstack

    return openstack.connect()


def _prepare(cloud: Any, workspace: Path, area: Area, options: argparse.Namespace) -> None:
    fixed = options.fixed_network
    if fixed is None and not tempest_conf.has_routers(cloud):
        fixed = NETWORK
    settings = tuple(options.set)
    if area is Area.RBAC:  # each persona is to have its own role and no other
        settings = ("auth.tempest_roles=", *settings)
    choices = tempest_conf.Choices(guests=not options.no_guests, fixed_network=fixed, settings=settings)
    tempest_conf.write(cloud, workspace, choices)
    how = f"by their address on {fixed}" if fixed else "by floating addresses"
    print(f"tempest.conf is in {workspace}/etc; servers are reached {'not at all' if options.no_guests else how}")


def _run(area: Area, kept: Kept, runner: Runner, options: argparse.Namespace) -> bool:
    """True when everything that was asked for has passed."""
    names = lists.counted()[area]
    if options.sample is not None:
        names = lists.some_of(names, options.sample)
    if options.again:
        kept.forget(set(names))
    known = kept.read()
    left = [name for name in names if name not in known or (options.failed and known[name].result != "passed")]
    print(f"== {area}: {len(names)} tests, {len(left)} to run")
    runner.run(left)
    counts = Counter(result.result for name, result in kept.read().items() if name in set(names))
    print(
        f"== {area}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped of {len(names)}"
    )
    return counts["passed"] == len(names)


def _teller(kept: Kept, *, guests: bool) -> Callable[[Result], None]:
    def tell(result: Result) -> None:
        kept.add(replace(result, guests=guests))
        if result.result != "passed":
            print(f"{result.result.upper():8}{result.test}\n        {result.why[:200]}", flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
