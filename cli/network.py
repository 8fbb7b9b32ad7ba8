"""`cumulet network …`: layer-2 networks."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.fields import Field, List, OutIn, UpDown, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Subnets", "subnets", List))
_LONG = (
    Field("ID", "id"), Field("Name", "name"), Field("Status", "status"), Field("Project", "project_id"),
    Field("State", "admin_state_up", UpDown), Field("Shared", "shared"), Field("Subnets", "subnets", List),
    Field("Network Type", "provider:network_type"), Field("Router Type", "router:external", OutIn),
    Field("Availability Zones", "availability_zones", List), Field("Tags", "tags", List),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "dns_domain", "id", "ipv4_address_scope", "ipv6_address_scope", "is_default", "mtu"),
    *same("name", "port_security_enabled", "project_id", "provider:network_type", "provider:physical_network"),
    *same("provider:segmentation_id", "qos_policy_id", "revision_number", "segments", "shared", "status", "updated_at"),
    *same("is_vlan_qinq", "is_vlan_transparent", "pvlan"),
    Field("admin_state_up", "admin_state_up", UpDown), Field("router:external", "router:external", OutIn),
    Field("availability_zone_hints", "availability_zone_hints", List), Field("subnets", "subnets", List),
    Field("availability_zones", "availability_zones", List), Field("tags", "tags", List),
)  # fmt: skip


class ListNetworks(Lister):  # type: ignore[misc]
    """List networks."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.yes_no(parser, "--external", "--internal", "leading outside")
        options.yes_no(parser, "--enable", "--disable", "admin state up")
        options.yes_no(parser, "--share", "--no-share", "shared by projects")
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--status", metavar="<status>", help="in this status, such as ACTIVE")
        options.project(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        query = {
            "name": parsed_args.name, "status": parsed_args.status, "shared": parsed_args.share,
            "router:external": parsed_args.external, "admin_state_up": parsed_args.enable,
            "project_id": find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        }  # fmt: skip
        networks = cloud.pages("/networks", "networks", "network", **query, **options.page(parsed_args))
        return table(_LONG if parsed_args.long else _LIST, networks)


class ShowNetwork(ShowOne):  # type: ignore[misc]
    """Show one network."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="<network>", help="network (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, find.one(self.app.cloud(), find.NETWORK, parsed_args.network))


class CreateNetwork(ShowOne):  # type: ignore[misc]
    """Create a network."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        _changeable(parser)
        options.project(parser)
        parser.add_argument("--availability-zone-hint", action="append", metavar="<availability-zone>", help="a zone")
        parser.add_argument("--provider-network-type", metavar="<provider-network-type>", help="vxlan (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = _wanted(parsed_args) | options.given(
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            availability_zone_hints=parsed_args.availability_zone_hint,
        )
        if parsed_args.provider_network_type:
            wanted["provider:network_type"] = parsed_args.provider_network_type
        return show(_SHOW, cloud.send("POST", "/networks", {"network": wanted}, service_type="network")["network"])


class DeleteNetworks(Command):  # type: ignore[misc]
    """Delete networks with their subnets; ports must be gone."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "network")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/networks/{find.id_of(cloud, find.NETWORK, name)}", service_type="network")

        options.each(parsed_args.names, "networks could not be deleted", delete)


class SetNetwork(Command):  # type: ignore[misc]
    """Change a network."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="<network>", help="network (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        _changeable(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        network_id = find.id_of(cloud, find.NETWORK, parsed_args.network)
        wanted = _wanted(parsed_args)
        if wanted:
            cloud.send("PUT", f"/networks/{network_id}", {"network": wanted}, service_type="network")


def _changeable(parser: argparse.ArgumentParser) -> None:
    options.yes_no(parser, "--share", "--no-share", "shared by all projects (administrators)")
    options.yes_no(parser, "--enable", "--disable", "admin state up")
    options.yes_no(parser, "--external", "--internal", "leading outside (administrators)")
    options.yes_no(parser, "--default", "--no-default", "the default external network (administrators)")
    options.yes_no(
        parser, "--enable-port-security", "--disable-port-security", "port security of new ports", "port_security"
    )
    parser.add_argument("--description", metavar="<description>", help="description")
    parser.add_argument("--mtu", type=int, metavar="<mtu>", help="largest packet, in bytes")
    parser.add_argument("--dns-domain", metavar="<dns-domain>", help="domain of the ports' names")


def _wanted(parsed_args: argparse.Namespace) -> dict[str, Any]:
    wanted = options.given(
        name=parsed_args.name, shared=parsed_args.share, admin_state_up=parsed_args.enable,
        is_default=parsed_args.default, port_security_enabled=parsed_args.port_security, mtu=parsed_args.mtu,
        description=parsed_args.description, dns_domain=parsed_args.dns_domain,
    )  # fmt: skip
    return wanted | ({} if parsed_args.external is None else {"router:external": parsed_args.external})
