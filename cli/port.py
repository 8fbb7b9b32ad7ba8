"""`cumulet port …`: the network interfaces that servers have."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dict, Dicts, Field, List, UpDown, same, show, table

_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("MAC Address", "mac_address"),
    Field("Fixed IP Addresses", "fixed_ips", Dicts), Field("Status", "status"),
)  # fmt: skip
_LONG = (
    Field("Security Groups", "security_groups", List), Field("Device Owner", "device_owner"), Field("Tags", "tags", List),
    Field("Trunk subports", lambda item: (item.get("trunk_details") or {}).get("sub_ports", []), Dicts),
)  # fmt: skip
_SHOW = (
    *same("created_at", "data_plane_status", "description", "device_id", "device_owner", "device_profile", "dns_domain"),
    *same("dns_name", "id", "mac_address", "name", "network_id", "port_security_enabled", "project_id", "revision_number"),
    *same("hardware_offload_type", "ip_allocation", "numa_affinity_policy", "propagate_uplink_status", "pvlan_type"),
    *same("pvlan_community", "resource_request", "qos_network_policy_id", "qos_policy_id", "status", "trunk_details"),
    *same("trusted", "updated_at"), Field("hints", lambda item: item.get("hints") or ""),
    Field("admin_state_up", "admin_state_up", UpDown), Field("allowed_address_pairs", "allowed_address_pairs", Dicts),
    Field("binding_host_id", "binding:host_id"), Field("binding_profile", "binding:profile", Dict),
    Field("binding_vif_details", "binding:vif_details", Dict), Field("binding_vif_type", "binding:vif_type"),
    Field("binding_vnic_type", "binding:vnic_type"), Field("dns_assignment", "dns_assignment", Dicts),
    Field("extra_dhcp_opts", "extra_dhcp_opts", Dicts), Field("fixed_ips", "fixed_ips", Dicts),
    Field("security_group_ids", "security_groups", List), Field("tags", "tags", List),
)  # fmt: skip


class ListPorts(Lister):  # type: ignore[misc]
    """List ports."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--device-owner", metavar="<device-owner>", help="such as compute:nova")
        parser.add_argument("--host", metavar="<host-id>", help="bound to this node (administrators)")
        parser.add_argument("--network", metavar="<network>", help="of this network (name or id)")
        device = parser.add_mutually_exclusive_group()
        device.add_argument("--server", metavar="<server>", help="of this server (name or id)")
        device.add_argument("--device-id", metavar="<device-id>", help="of the device with this id")
        parser.add_argument("--mac-address", metavar="<mac-address>", help="with this address")
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--status", metavar="<status>", help="in this status, such as ACTIVE")
        parser.add_argument("--fixed-ip", action="append", type=options.pairs, metavar="subnet=<subnet>,ip-address=<ip>",
                            help="with this address")  # fmt: skip
        options.project(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        device_id = find.server_id(cloud, parsed_args.server) if parsed_args.server else parsed_args.device_id
        query = {
            "device_owner": parsed_args.device_owner, "network_id": find.id_of(cloud, find.NETWORK, parsed_args.network),
            "device_id": device_id, "mac_address": parsed_args.mac_address, "name": parsed_args.name,
            "status": parsed_args.status, "binding:host_id": parsed_args.host,
            "project_id": find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        }  # fmt: skip
        if parsed_args.fixed_ip:
            fixed = _fixed_ips(cloud, parsed_args.fixed_ip)
            query["fixed_ips"] = [f"{key}={value}" for item in fixed for key, value in item.items()]
        ports = cloud.pages("/ports", "ports", "network", **query, **options.page(parsed_args))
        return table(_LIST + _LONG if parsed_args.long else _LIST, ports)


class ShowPort(ShowOne):  # type: ignore[misc]
    """Show one port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="<port>", help="port (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, find.one(self.app.cloud(), find.PORT, parsed_args.port))


class CreatePort(ShowOne):  # type: ignore[misc]
    """Create a port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--network", required=True, metavar="<network>", help="its network (name or id)")
        options.project(parser)
        _changeable(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = _wanted(cloud, parsed_args) | options.given(
            network_id=find.id_of(cloud, find.NETWORK, parsed_args.network),
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        )
        return show(_SHOW, cloud.send("POST", "/ports", {"port": wanted}, service_type="network")["port"])


class DeletePorts(Command):  # type: ignore[misc]
    """Delete ports."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "port")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/ports/{find.id_of(cloud, find.PORT, name)}", service_type="network")

        options.each(parsed_args.names, "ports could not be deleted", delete)


class SetPort(Command):  # type: ignore[misc]
    """Change a port; addresses, groups and address pairs are added to those there are."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="<port>", help="port (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--no-allowed-address", action="store_true", help="remove all address pairs first")
        _changeable(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        port = find.one(cloud, find.PORT, parsed_args.port)
        wanted = _wanted(cloud, parsed_args)
        for name, cleared in (
            ("fixed_ips", parsed_args.no_fixed_ip),
            ("security_groups", parsed_args.no_security_group),
            ("allowed_address_pairs", parsed_args.no_allowed_address),
        ):
            if name in wanted or cleared:
                wanted[name] = ([] if cleared else port[name]) + wanted.get(name, [])
        if wanted:
            cloud.send("PUT", f"/ports/{port['id']}", {"port": wanted}, service_type="network")


def _changeable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", metavar="<description>", help="description")
    parser.add_argument("--device", metavar="<device-id>", help="id of the device that has it")
    parser.add_argument("--device-owner", metavar="<device-owner>", help="what the device is")
    parser.add_argument("--mac-address", metavar="<mac-address>", help="MAC address")
    parser.add_argument("--vnic-type", metavar="<vnic-type>", help="normal")
    parser.add_argument("--dns-name", metavar="<dns-name>", help="host name")
    parser.add_argument("--fixed-ip", action="append", type=options.pairs, metavar="subnet=<subnet>,ip-address=<ip-address>",
                        help="an address (may be repeated)")  # fmt: skip
    parser.add_argument("--no-fixed-ip", action="store_true", help="no address; with set: remove those there are first")
    options.yes_no(parser, "--enable", "--disable", "admin state up")
    parser.add_argument("--security-group", action="append", metavar="<security-group>", help="group (name or id)")
    parser.add_argument(
        "--no-security-group", action="store_true", help="no group; with set: remove those there are first"
    )
    options.yes_no(parser, "--enable-port-security", "--disable-port-security", "port security", "port_security")
    parser.add_argument(
        "--allowed-address", action="append", type=options.pairs,
        metavar="ip-address=<ip-address>[,mac-address=<mac-address>]", help="further address that it may use",
    )  # fmt: skip


def _wanted(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    wanted = options.given(
        name=parsed_args.name, description=parsed_args.description, device_id=parsed_args.device,
        device_owner=parsed_args.device_owner, mac_address=parsed_args.mac_address, dns_name=parsed_args.dns_name,
        admin_state_up=parsed_args.enable, port_security_enabled=parsed_args.port_security,
    )  # fmt: skip
    if parsed_args.vnic_type:
        wanted["binding:vnic_type"] = parsed_args.vnic_type
    if parsed_args.fixed_ip or parsed_args.no_fixed_ip:
        wanted["fixed_ips"] = _fixed_ips(cloud, parsed_args.fixed_ip or [])
    if parsed_args.security_group or parsed_args.no_security_group:
        wanted["security_groups"] = [find.id_of(cloud, find.GROUP, name) for name in parsed_args.security_group or ()]
    if parsed_args.allowed_address:
        wanted["allowed_address_pairs"] = [_address_pair(pair) for pair in parsed_args.allowed_address]
    return wanted


def _fixed_ips(cloud: Cloud, asked: list[dict[str, str]]) -> list[dict[str, str]]:
    """Raises CommandError for a word that is none of subnet and ip-address."""
    found = []
    for item in asked:
        if not set(item) <= {"subnet", "ip-address"}:
            raise CommandError("--fixed-ip takes subnet=<subnet>,ip-address=<ip-address>, either or both.")
        one = {"subnet_id": find.id_of(cloud, find.SUBNET, item.get("subnet")), "ip_address": item.get("ip-address")}
        found.append({key: value for key, value in one.items() if value is not None})
    return found


def _address_pair(pair: dict[str, str]) -> dict[str, str]:
    if "ip-address" not in pair or not set(pair) <= {"ip-address", "mac-address"}:
        raise CommandError("--allowed-address takes ip-address=<ip-address>[,mac-address=<mac-address>].")
    return {key.replace("-", "_"): value for key, value in pair.items()}
