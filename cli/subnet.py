"""`cumulet subnet …`: the address ranges of networks."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dicts, Field, List, same, show, table


class _Pools(FormattableColumn):  # type: ignore[misc]
    """10.0.0.2-10.0.0.254"""

    def human_readable(self) -> str:
        return ",".join(f"{pool['start']}-{pool['end']}" for pool in self._value or ())


_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Network", "network_id"), Field("Subnet", "cidr"))
_LONG = (
    Field("Project", "project_id"), Field("DHCP", "enable_dhcp"), Field("Name Servers", "dns_nameservers", List),
    Field("Allocation Pools", "allocation_pools", _Pools), Field("Host Routes", "host_routes", Dicts),
    Field("IP Version", "ip_version"), Field("Gateway", "gateway_ip"),
    Field("Service Types", lambda item: item.get("service_types") or [], List), Field("Tags", "tags", List),
)  # fmt: skip
_SHOW = (
    *same("cidr", "created_at", "description", "dns_publish_fixed_ip", "enable_dhcp", "gateway_ip", "id", "ip_version"),
    *same("ipv6_address_mode", "ipv6_ra_mode", "name", "network_id", "project_id", "revision_number", "segment_id", "shared"),
    *same("subnetpool_id", "updated_at"),
    Field("allocation_pools", "allocation_pools", _Pools), Field("dns_nameservers", "dns_nameservers", List),
    Field("host_routes", "host_routes", Dicts), Field("tags", "tags", List),
    Field("service_types", lambda item: item.get("service_types") or [], List),
)  # fmt: skip


class ListSubnets(Lister):  # type: ignore[misc]
    """List subnets."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--ip-version", type=int, choices=(4, 6), metavar="<ip-version>", help="4 or 6")
        options.yes_no(parser, "--dhcp", "--no-dhcp", "with DHCP")
        options.project(parser)
        parser.add_argument("--network", metavar="<network>", help="of this network (name or id)")
        parser.add_argument("--gateway", metavar="<gateway>", help="with this gateway")
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--subnet-range", metavar="<subnet-range>", help="with this range")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        subnets = cloud.pages(
            "/subnets", "subnets", "network", ip_version=parsed_args.ip_version, enable_dhcp=parsed_args.dhcp,
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            network_id=find.id_of(cloud, find.NETWORK, parsed_args.network), gateway_ip=parsed_args.gateway,
            name=parsed_args.name, cidr=parsed_args.subnet_range, **options.page(parsed_args),
        )  # fmt: skip
        return table(_LIST + _LONG if parsed_args.long else _LIST, subnets)


class ShowSubnet(ShowOne):  # type: ignore[misc]
    """Show one subnet."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("subnet", metavar="<subnet>", help="subnet (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, find.one(self.app.cloud(), find.SUBNET, parsed_args.subnet))


class CreateSubnet(ShowOne):  # type: ignore[misc]
    """Create a subnet."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--network", required=True, metavar="<network>", help="its network (name or id)")
        parser.add_argument("--subnet-range", required=True, metavar="<subnet-range>", help="such as 10.1.0.0/24")
        parser.add_argument("--ip-version", type=int, choices=(4, 6), default=4, metavar="<ip-version>", help="4 or 6")
        for name in ("--ipv6-ra-mode", "--ipv6-address-mode"):
            parser.add_argument(name, choices=("dhcpv6-stateful", "dhcpv6-stateless", "slaac"), help="for IPv6")
        options.project(parser)
        _changeable(parser, "auto")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = _wanted(parsed_args) | options.given(
            network_id=find.id_of(cloud, find.NETWORK, parsed_args.network), cidr=parsed_args.subnet_range,
            ip_version=parsed_args.ip_version, ipv6_ra_mode=parsed_args.ipv6_ra_mode,
            ipv6_address_mode=parsed_args.ipv6_address_mode,
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        )  # fmt: skip
        return show(_SHOW, cloud.send("POST", "/subnets", {"subnet": wanted}, service_type="network")["subnet"])


class DeleteSubnets(Command):  # type: ignore[misc]
    """Delete subnets that no port has an address of."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "subnet")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/subnets/{find.id_of(cloud, find.SUBNET, name)}", service_type="network")

        options.each(parsed_args.names, "subnets could not be deleted", delete)


class SetSubnet(Command):  # type: ignore[misc]
    """Change a subnet; pools, name servers and routes are added to those there are."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("subnet", metavar="<subnet>", help="subnet (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        _changeable(parser, None)
        for name in ("--no-allocation-pool", "--no-dns-nameservers", "--no-host-route"):
            parser.add_argument(name, action="store_true", help="remove those there are first")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        subnet = find.one(cloud, find.SUBNET, parsed_args.subnet)
        wanted = _wanted(parsed_args)
        cleared = {
            "allocation_pools": parsed_args.no_allocation_pool,
            "dns_nameservers": parsed_args.no_dns_nameservers,
            "host_routes": parsed_args.no_host_route,
        }
        for name, clear in cleared.items():
            if clear or name in wanted:
                wanted[name] = ([] if clear else subnet[name]) + wanted.get(name, [])
        if wanted:
            cloud.send("PUT", f"/subnets/{subnet['id']}", {"subnet": wanted}, service_type="network")


def _changeable(parser: argparse.ArgumentParser, gateway: str | None) -> None:
    options.yes_no(parser, "--dhcp", "--no-dhcp", "with DHCP")
    parser.add_argument("--gateway", default=gateway, metavar="<gateway>", help="address, `none`, or (create) `auto`")
    parser.add_argument("--description", metavar="<description>", help="description")
    parser.add_argument(
        "--allocation-pool", action="append", type=options.pairs, metavar="start=<ip-address>,end=<ip-address>",
        help="addresses to give out (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--dns-nameserver", action="append", metavar="<dns-nameserver>", help="resolver (may be repeated)"
    )
    parser.add_argument(
        "--host-route", action="append", type=options.pairs, metavar="destination=<subnet>,gateway=<ip-address>",
        help="route told by DHCP (may be repeated)",
    )  # fmt: skip


def _wanted(parsed_args: argparse.Namespace) -> dict[str, Any]:
    wanted = options.given(
        name=parsed_args.name, enable_dhcp=parsed_args.dhcp, description=parsed_args.description,
        allocation_pools=parsed_args.allocation_pool, dns_nameservers=parsed_args.dns_nameserver,
    )  # fmt: skip
    gateway = parsed_args.gateway
    if gateway not in (None, "auto"):
        wanted["gateway_ip"] = None if gateway.lower() == "none" else gateway
    if parsed_args.host_route:
        wanted["host_routes"] = [_route(route) for route in parsed_args.host_route]
    return wanted


def _route(route: dict[str, str]) -> dict[str, str]:
    if set(route) != {"destination", "gateway"}:
        raise CommandError("--host-route takes destination=<subnet>,gateway=<ip-address>.")
    return {"destination": route["destination"], "nexthop": route["gateway"]}
