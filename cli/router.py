"""`cumulet router …`: what leads from one network to another, and outside."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff.command import Command

from cli import find, options, resource, tags
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dict, Dicts, Field, List, UpDown, same
from cli.port import fixed_ips
from cli.resource import Option
from cli.subnet import route

_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Status", "status"), Field("State", "admin_state_up", UpDown),
    Field("Project", "project_id"),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "enable_ndp_proxy", "flavor_id", "id", "name", "project_id", "revision_number"),
    *same("status", "updated_at"), Field("admin_state_up", "admin_state_up", UpDown),
    Field("availability_zone_hints", "availability_zone_hints", List),
    Field("availability_zones", "availability_zones", List), Field("tags", "tags", List),
    Field("external_gateway_info", "external_gateway_info", lambda value: None if value is None else Dict(value)),
    Field("routes", "routes", Dicts), Field("conntrack_helpers", "conntrack_helpers", Dicts),
)  # fmt: skip
_CHANGEABLE = (
    Option("--enable", "admin_state_up", "admin state up", no="--disable"),
    Option("--description", "description", "description"),
)


class ListRouters(resource.ListThings):
    """List routers."""

    kind = find.ROUTER
    columns = _LIST
    long_columns = (
        *_LIST, Field("Routes", "routes", Dicts),
        Field("External gateway info", "external_gateway_info", lambda value: None if value is None else Dict(value)),
        Field("Availability zones", "availability_zones", List), Field("Tags", "tags", List),
    )  # fmt: skip
    filters = (
        Option("--name", "name", "of this name"),
        Option("--enable", "admin_state_up", "admin state up", no="--disable"),
    )
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--agent", metavar="<agent-id>", help="those on the node of this agent (administrators)")
        return parser

    def at(self, cloud: Cloud, parsed_args: argparse.Namespace) -> str:
        return f"/agents/{parsed_args.agent}/l3-routers" if parsed_args.agent else "/routers"


class ShowRouter(resource.ShowThing):
    """Show one router with its interfaces."""

    kind = find.ROUTER
    columns = (*_SHOW, Field("interfaces_info", "interfaces", Dicts))

    def ready(self, cloud: Cloud, thing: dict[str, Any]) -> dict[str, Any]:
        ports = cloud.pages("/ports", "ports", "network", device_id=thing["id"])
        inside = [
            {"port_id": port["id"], "ip_address": address["ip_address"], "subnet_id": address["subnet_id"]}
            for port in ports
            if port["device_owner"] != "network:router_gateway"
            for address in port["fixed_ips"]
        ]
        return {**thing, "interfaces": inside}


class CreateRouter(resource.CreateThing):
    """Create a router."""

    kind = find.ROUTER
    columns = _SHOW
    body = (
        *_CHANGEABLE,
        Option("--availability-zone-hint", "availability_zone_hints", "a zone", metavar="<availability-zone>", many=True),
        Option("--flavor", "flavor_id", "id of its flavor", metavar="<flavor-id>"),
    )  # fmt: skip
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _gateway_options(super().get_parser(prog_name))

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return _gateway(cloud, parsed_args, {})


class SetRouter(resource.SetThing):
    """Change a router; routes are added to those there are."""

    kind = find.ROUTER
    body = _CHANGEABLE
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _gateway_options(super().get_parser(prog_name))
        parser.add_argument(
            "--route", action="append", type=options.pairs, metavar="destination=<subnet>,gateway=<ip-address>",
            help="route to add (may be repeated)",
        )  # fmt: skip
        parser.add_argument("--no-route", action="store_true", help="remove those there are first")
        parser.add_argument("--no-qos-policy", action="store_true", help="no QoS policy of the gateway any more")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        wanted = _gateway(cloud, parsed_args, thing)
        if parsed_args.no_qos_policy:
            if not thing["external_gateway_info"]:
                raise CommandError(f"Router {thing['name']} has no gateway whose QoS policy could be removed.")
            wanted["external_gateway_info"] = {
                "network_id": thing["external_gateway_info"]["network_id"],
                "qos_policy_id": None,
            }
        if parsed_args.route or parsed_args.no_route:
            there = [] if parsed_args.no_route else thing["routes"]
            added = [route(one) for one in parsed_args.route or ()]
            wanted["routes"] = there + [one for one in added if one not in there]
        return wanted


class UnsetRouter(Command):  # type: ignore[misc]
    """Remove a router's gateway, routes or tags."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.ROUTER)
        parser.add_argument(
            "--route", action="append", type=options.pairs, metavar="destination=<subnet>,gateway=<ip-address>",
            help="route to remove (may be repeated)",
        )  # fmt: skip
        parser.add_argument("--external-gateway", action="store_true", help="the way outside")
        parser.add_argument("--qos-policy", action="store_true", help="the QoS policy of the gateway")
        tags.add_for_unset(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        router = find.one(cloud, find.ROUTER, parsed_args.thing)
        wanted: dict[str, Any] = {}
        if parsed_args.route:
            gone = [route(one) for one in parsed_args.route]
            wanted["routes"] = resource.without(router["routes"], gone, "route")
        if parsed_args.qos_policy and router["external_gateway_info"]:
            network_id = router["external_gateway_info"]["network_id"]
            wanted["external_gateway_info"] = {"network_id": network_id, "qos_policy_id": None}
        if parsed_args.external_gateway:
            wanted["external_gateway_info"] = {}
        resource.change(cloud, find.ROUTER, router, wanted)
        tags.remove(cloud, find.ROUTER, router, parsed_args)


class DeleteRouters(resource.DeleteThings):
    """Delete routers that have no interfaces."""

    kind = find.ROUTER


def _gateway_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--external-gateway", action="append", metavar="<network>", help="network that leads outside (name or id)"
    )
    parser.add_argument(
        "--fixed-ip", action="append", type=options.pairs, metavar="subnet=<subnet>,ip-address=<ip-address>",
        help="address on that network (may be repeated)",
    )  # fmt: skip
    options.yes_no(
        parser, "--enable-snat", "--disable-snat", "servers without a floating IP go out by its address", "snat"
    )
    parser.add_argument("--qos-policy", metavar="<qos-policy>", help="QoS policy of the gateway (name or id)")
    return parser


def _gateway(cloud: Cloud, parsed_args: argparse.Namespace, router: dict[str, Any]) -> dict[str, Any]:
    """What the options say of the way outside; what they don't say of one that is there stays."""
    said = (parsed_args.external_gateway, parsed_args.fixed_ip, parsed_args.snat, parsed_args.qos_policy)
    if not any(value is not None for value in said):
        return {}
    there = router.get("external_gateway_info") or {}
    if parsed_args.external_gateway is None and not there:
        raise CommandError("--fixed-ip, --enable-snat, --disable-snat and --qos-policy need --external-gateway.")
    network_id = there.get("network_id")
    if parsed_args.external_gateway is not None:
        network_id = _only(cloud, parsed_args.external_gateway)
    info = {"network_id": network_id} | options.given(
        enable_snat=parsed_args.snat, qos_policy_id=find.id_of(cloud, find.QOS_POLICY, parsed_args.qos_policy)
    )
    if parsed_args.fixed_ip:
        info["external_fixed_ips"] = fixed_ips(cloud, parsed_args.fixed_ip)
    return {"external_gateway_info": info}


def _only(cloud: Cloud, named: Sequence[str]) -> str | None:
    if len(named) > 1:
        raise CommandError("A router has one gateway here: give --external-gateway once.")
    return find.id_of(cloud, find.NETWORK, named[0])
