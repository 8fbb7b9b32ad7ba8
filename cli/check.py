"""`cumulet check`: is this machine ready, and if not, what to do. Needs no login and changes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister

from cli.checks.result import Result, Standing, fail, ok

if TYPE_CHECKING:
    from common.config import Config

Check = Callable[["Config"], Result]


class RunChecks(Lister):  # type: ignore[misc]
    """Check that this machine is ready; exit 1 if anything fails."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--config", metavar="FILE", help="configuration file (default: $CUMULET_CONFIG)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        self.failed = False
        results = run_checks(parsed_args.config)
        self.failed = any(result.standing == Standing.FAIL for result in results)
        rows: list[tuple[str, ...]] = [
            (result.name, str(result.standing), result.finding, result.remedy) for result in results
        ]
        return ("Check", "Result", "Finding", "Remedy"), rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return 1 if self.failed else 0


def all_checks() -> Sequence[Check]:
    from cli.checks import machine, network, software, stores

    return (
        software.python, stores.state_dir, stores.log_dir, stores.run_dir, stores.database, stores.bus,
        stores.bus_management, stores.token_keys, stores.image_store, stores.disk_space, machine.memory,
        machine.clock, machine.host_name, machine.kvm, software.libvirt, software.qemu, software.qemu_img,
        software.genisoimage, software.dnsmasq, network.bridges, network.bridge_filter, network.forwarding, network.nftables,
        network.foreign_firewall,
    )  # fmt: skip


def run_checks(config_path: str | None) -> list[Result]:
    """All results in order; without a readable configuration only that one, because the others depend on it."""
    from common import config as configuration
    from common.errors import ConfigError

    try:
        config = configuration.load(config_path)
    except ConfigError as err:
        return [fail("configuration", err.message, "correct it, or name another file with --config")]
    loaded = ok("configuration", f"cloud {config.cloud.uuid or 'without uuid'}, region {config.cloud.region}")
    return [loaded, *(_run(check, config) for check in all_checks())]


def _run(check: Check, config: Any) -> Result:
    """A check that can't look says so, and the others go on."""
    from common.errors import CloudError

    name = check.__name__.replace("_", " ")
    try:
        return check(config)
    except (CloudError, OSError) as err:
        return fail(name, f"could not be checked: {err}", "run the check as root")
