"""`cumulet subnet …`: the address ranges of networks."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource, tags
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
        parser.add_argument("--subnet-pool", metavar="<subnet-pool>", help="of this pool (name or id)")
        parser.add_argument("--service-type", action="append", metavar="<service-type>", help="for such devices")
        tags.add_filters(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        subnets = cloud.pages(
            "/subnets", "subnets", "network", ip_version=parsed_args.ip_version, enable_dhcp=parsed_args.dhcp,
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            network_id=find.id_of(cloud, find.NETWORK, parsed_args.network), gateway_ip=parsed_args.gateway,
            name=parsed_args.name, cidr=parsed_args.subnet_range, service_types=parsed_args.service_type,
            subnetpool_id=find.id_of(cloud, find.SUBNET_POOL, parsed_args.subnet_pool),
            **tags.query(parsed_args), **options.page(parsed_args),
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
        parser.add_argument(
            "--subnet-range", metavar="<subnet-range>", help="such as 10.1.0.0/24; needed unless a pool is named"
        )
        of = parser.add_mutually_exclusive_group()
        of.add_argument("--subnet-pool", metavar="<subnet-pool>", help="pool that it is cut from (name or id)")
        of.add_argument("--use-default-subnet-pool", action="store_true", help="cut from the default pool")
        parser.add_argument(
            "--prefix-length", type=options.count, metavar="<prefix-length>", help="with a pool: its size"
        )
        parser.add_argument("--ip-version", type=int, choices=(4, 6), default=4, metavar="<ip-version>", help="4 or 6")
        for name in ("--ipv6-ra-mode", "--ipv6-address-mode"):
            parser.add_argument(name, choices=("dhcpv6-stateful", "dhcpv6-stateless", "slaac"), help="for IPv6")
        options.project(parser)
        _changeable(parser, "auto")
        tags.add_for_create(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if not (parsed_args.subnet_range or parsed_args.subnet_pool or parsed_args.use_default_subnet_pool):
            raise CommandError("Say which addresses: --subnet-range, --subnet-pool or --use-default-subnet-pool.")
        cloud: Cloud = self.app.cloud()
        wanted = _wanted(parsed_args) | options.given(
            network_id=find.id_of(cloud, find.NETWORK, parsed_args.network), cidr=parsed_args.subnet_range,
            ip_version=parsed_args.ip_version, ipv6_ra_mode=parsed_args.ipv6_ra_mode,
            ipv6_address_mode=parsed_args.ipv6_address_mode, prefixlen=parsed_args.prefix_length,
            use_default_subnetpool=parsed_args.use_default_subnet_pool or None,
            subnetpool_id=find.id_of(cloud, find.SUBNET_POOL, parsed_args.subnet_pool),
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            service_types=parsed_args.service_type,
        )  # fmt: skip
        made = cloud.send("POST", "/subnets", {"subnet": wanted}, service_type="network")["subnet"]
        if parsed_args.tags:
            tags.replace(cloud, find.SUBNET, made["id"], parsed_args.tags)
        return show(_SHOW, {**made, "tags": parsed_args.tags or made["tags"]})


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
        tags.add_for_set(parser)
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
        if parsed_args.service_type:
            wanted["service_types"] = (subnet.get("service_types") or []) + parsed_args.service_type
        resource.change(cloud, find.SUBNET, subnet, wanted)
        tags.change(cloud, find.SUBNET, subnet, parsed_args)


class UnsetSubnet(Command):  # type: ignore[misc]
    """Remove pools, name servers, routes, the gateway or tags of a subnet."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("subnet", metavar="<subnet>", help="subnet (name or id)")
        parser.add_argument("--gateway", action="store_true", help="the gateway")
        _lists(parser)
        tags.add_for_unset(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        subnet = find.one(cloud, find.SUBNET, parsed_args.subnet)
        routes = parsed_args.host_route and [route(one) for one in parsed_args.host_route]
        gone = {
            "allocation_pools": parsed_args.allocation_pool, "dns_nameservers": parsed_args.dns_nameserver,
            "host_routes": routes, "service_types": parsed_args.service_type,
        }  # fmt: skip
        wanted: dict[str, Any] = {
            key: resource.without(subnet.get(key) or [], removed, key.replace("_", " ").rstrip("s"))
            for key, removed in gone.items()
            if removed
        }
        if parsed_args.gateway:
            wanted["gateway_ip"] = None
        resource.change(cloud, find.SUBNET, subnet, wanted)
        tags.remove(cloud, find.SUBNET, subnet, parsed_args)


def _changeable(parser: argparse.ArgumentParser, gateway: str | None) -> None:
    options.yes_no(parser, "--dhcp", "--no-dhcp", "with DHCP")
    parser.add_argument("--gateway", default=gateway, metavar="<gateway>", help="address, `none`, or (create) `auto`")
    parser.add_argument("--description", metavar="<description>", help="description")
    _lists(parser)


def _lists(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--service-type", action="append", metavar="<service-type>",
        help="device owner that gets addresses of it, such as network:floatingip (may be repeated)",
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
        wanted["host_routes"] = [route(one) for one in parsed_args.host_route]
    return wanted


def route(given: dict[str, str]) -> dict[str, str]:
    """As the API has it. Raises CommandError for other words than the two."""
    if set(given) != {"destination", "gateway"}:
        raise CommandError("A route is destination=<subnet>,gateway=<ip-address>.")
    return {"destination": given["destination"], "nexthop": given["gateway"]}
