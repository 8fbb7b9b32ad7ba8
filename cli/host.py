"""`cumulet hypervisor`, `compute service` and `availability zone`: the nodes as OpenStack's API shows them."""

from __future__ import annotations

import argparse
import re
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dict, Field, Item, List, same, show, table

_LIST = (
    Field("ID", "id"), Field("Hypervisor Hostname", "hypervisor_hostname"), Field("Hypervisor Type", "hypervisor_type"),
    Field("Host IP", "host_ip"), Field("State", "state"),
)  # fmt: skip
_LONG = (
    Field("vCPUs Used", "vcpus_used"), Field("vCPUs", "vcpus"), Field("Memory MB Used", "memory_mb_used"),
    Field("Memory MB", "memory_mb"),
)  # fmt: skip
_SHOW = (
    *same("current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "host_ip", "hypervisor_hostname"),
    *same("hypervisor_type", "hypervisor_version", "id", "local_gb", "local_gb_used", "memory_mb", "memory_mb_used"),
    *same("running_vms", "state", "status", "vcpus", "vcpus_used"), Field("cpu_info", "cpu_info", Dict),
    Field("aggregates", "aggregates", List), Field("service_host", lambda item: item["service"]["host"]),
    Field("service_id", lambda item: item["service"]["id"]),
)  # fmt: skip
#: where a node that is up puts it: the parts of what its command `uptime` says
_UPTIME = re.compile(
    r"\s*(?P<host_time>.+)\sup\s+(?P<uptime>.+),\s+(?P<users>.+)\susers?,\s+load average:\s(?P<load_average>.+)"
)
#: what the newest microversion leaves to the placement service
_WITH_AMOUNTS = {"OpenStack-API-Version": "compute 2.53", "X-OpenStack-Nova-API-Version": "2.53"}
_SERVICES = (
    Field("ID", "id"), Field("Binary", "binary"), Field("Host", "host"), Field("Zone", "zone"), Field("Status", "status"),
    Field("State", "state"), Field("Updated At", "updated_at"),
)  # fmt: skip
_SERVICES_LONG = (Field("Disabled Reason", "disabled_reason"), Field("Forced Down", "forced_down"))


class ListHypervisors(Lister):  # type: ignore[misc]
    """List hypervisors (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--matching", metavar="<hostname>", help="with this in their names")
        parser.add_argument("--long", action="store_true", help="more columns")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        pattern, page = parsed_args.matching, options.page(parsed_args)
        if pattern:  # a filter that the API takes no pages with
            page = {}
        found = cloud.pages(
            "/os-hypervisors/detail", "hypervisors", "compute", hypervisor_hostname_pattern=pattern,
            headers=_WITH_AMOUNTS if parsed_args.long else None, **page,
        )  # fmt: skip
        return table(_LIST + _LONG if parsed_args.long else _LIST, found)


class ShowHypervisor(ShowOne):  # type: ignore[misc]
    """Show one hypervisor (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("hypervisor", metavar="<hypervisor>", help="hypervisor (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        found = find.one(cloud, find.HYPERVISOR, parsed_args.hypervisor)
        path = f"/os-hypervisors/{part(str(found['id']))}"
        whole = cloud.raw("GET", path, service_type="compute", headers=_WITH_AMOUNTS).json()["hypervisor"]
        uptime = _UPTIME.match(cloud.get(path, "compute")["hypervisor"]["uptime"] or "")
        groups = cloud.get("/os-aggregates", "compute")["aggregates"]
        inside = [group["name"] for group in groups if whole["service"]["host"] in group["hosts"]]
        parts = uptime.groupdict() if uptime else {}
        return show((*_SHOW, *same(*parts)), {**whole, **parts, "aggregates": inside})


class ShowHypervisorStats(ShowOne):  # type: ignore[misc]
    """Show what all hypervisors have and use together (administrators)."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        whole = cloud.raw("GET", "/os-hypervisors/statistics", service_type="compute", headers=_WITH_AMOUNTS).json()
        found = whole["hypervisor_statistics"]
        return show(same(*found), found)


class ListComputeServices(Lister):  # type: ignore[misc]
    """List the agents and schedulers (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="<host>", help="of this node")
        parser.add_argument("--service", metavar="<service>", help="of this kind, such as nova-compute")
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().get("/os-services", "compute", host=parsed_args.host, binary=parsed_args.service)
        return table(_SERVICES + _SERVICES_LONG if parsed_args.long else _SERVICES, found["services"])


class SetComputeService(Command):  # type: ignore[misc]
    """Take a node out of placement or back in, or declare it down (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="<host>", help="name of the node")
        parser.add_argument("service", metavar="<service>", help="kind of service, such as nova-compute")
        options.yes_no(parser, "--enable", "--disable", "gets new servers")
        parser.add_argument("--disable-reason", metavar="<reason>", help="why, with --disable")
        options.yes_no(parser, "--up", "--down", "believed to run")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.disable_reason and parsed_args.enable is not False:
            raise CommandError("--disable-reason goes with --disable.")
        wanted: dict[str, Any] = {}
        if parsed_args.enable is not None:
            wanted["status"] = "enabled" if parsed_args.enable else "disabled"
        if parsed_args.disable_reason:
            wanted["disabled_reason"] = parsed_args.disable_reason
        if parsed_args.up is not None:
            wanted["forced_down"] = not parsed_args.up
        found = cloud.get("/os-services", "compute", host=parsed_args.host, binary=parsed_args.service)["services"]
        if len(found) != 1:
            raise CommandError(
                f"There is no service {parsed_args.service} on {parsed_args.host!r}; see `cumulet compute service list`."
            )
        if wanted:
            cloud.send("PUT", f"/os-services/{part(str(found[0]['id']))}", wanted, service_type="compute")


class ListZones(Lister):  # type: ignore[misc]
    """List availability zones."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--compute", action="store_true", help="of compute")
        parser.add_argument("--network", action="store_true", help="of network")
        parser.add_argument("--volume", action="store_true", help="of volumes")
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        every = not (parsed_args.compute or parsed_args.network or parsed_args.volume)
        rows: list[dict[str, Any]] = []
        if parsed_args.compute or every:
            rows += _compute_zones(cloud, parsed_args.long)
        if parsed_args.volume or every:
            volume_zones = cloud.get("/os-availability-zone", "block-storage")["availabilityZoneInfo"]
            rows += [_zone(zone) for zone in volume_zones]
        if parsed_args.network or every:
            zones = cloud.pages("/availability_zones", "availability_zones", "network")
            rows += [{"name": z["name"], "status": z["state"], "resource": z["resource"]} for z in zones]
        columns = [Field("Zone Name", "name"), Field("Zone Status", "status")]
        if parsed_args.long:
            more = (
                ("Zone Resource", "resource"),
                ("Host Name", "host"),
                ("Service Name", "service"),
                ("Service Status", "state"),
            )
            columns += [Field(title, key, lambda value: value or "") for title, key in more]
        return table(columns, rows)


def _zone(zone: dict[str, Any]) -> dict[str, Any]:
    available = zone["zoneState"]["available"]
    return {"name": zone["zoneName"], "status": "available" if available else "not available"}


def _compute_zones(cloud: Cloud, long: bool) -> list[dict[str, Any]]:
    """With their services for administrators who want them."""
    from cli.errors import CloudRefusedError

    try:
        found = cloud.get("/os-availability-zone/detail", "compute")
    except CloudRefusedError as err:
        if err.status != 403:
            raise
        found = cloud.get("/os-availability-zone", "compute")
    rows = []
    for zone in found["availabilityZoneInfo"]:
        one = _zone(zone)
        services = [(host, name, state) for host, all_ in (zone["hosts"] or {}).items() for name, state in all_.items()]
        if not long or not services:
            rows.append(one)
        rows += [{**one, "host": h, "service": name, "state": _state(state)} for h, name, state in services if long]
    return rows


def _state(state: Item) -> str:
    return (
        f"{'enabled' if state['active'] else 'disabled'} {':-)' if state['available'] else 'XXX'} {state['updated_at']}"
    )
