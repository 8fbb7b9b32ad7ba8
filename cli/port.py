"""`cumulet port …`: the network interfaces that servers have."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource, tags
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dict, Dicts, Field, List, UpDown, same, show, table
from cli.security_group import own

_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("MAC Address", "mac_address"),
    Field("Fixed IP Addresses", "fixed_ips", Dicts), Field("Status", "status"),
)  # fmt: skip
_LONG = (
    Field("Security Groups", "security_groups", List), Field("Device Owner", "device_owner"), Field("Tags", "tags", List),
    Field("Trunk subports", lambda item: (item.get("trunk_details") or {}).get("sub_ports", []), Dicts),
)  # fmt: skip
SHOWN = (
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
        device.add_argument("--router", metavar="<router>", help="of this router (name or id)")
        device.add_argument("--server", metavar="<server>", help="of this server (name or id)")
        device.add_argument("--device-id", metavar="<device-id>", help="of the device with this id")
        parser.add_argument("--mac-address", metavar="<mac-address>", help="with this address")
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--status", metavar="<status>", help="in this status, such as ACTIVE")
        parser.add_argument("--fixed-ip", action="append", type=options.pairs, metavar="subnet=<subnet>,ip-address=<ip>",
                            help="with this address")  # fmt: skip
        parser.add_argument("--security-group", action="append", metavar="<security-group>", help="in it (name or id)")
        options.project(parser)
        tags.add_filters(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        device_id = find.server_id(cloud, parsed_args.server) if parsed_args.server else parsed_args.device_id
        if parsed_args.router:
            device_id = find.id_of(cloud, find.ROUTER, parsed_args.router)
        query = {
            "device_owner": parsed_args.device_owner, "network_id": find.id_of(cloud, find.NETWORK, parsed_args.network),
            "device_id": device_id, "mac_address": parsed_args.mac_address, "name": parsed_args.name,
            "status": parsed_args.status, "binding:host_id": parsed_args.host,
            "project_id": find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        }  # fmt: skip
        if parsed_args.fixed_ip:
            fixed = fixed_ips(cloud, parsed_args.fixed_ip)
            query["fixed_ips"] = [f"{key}={value}" for item in fixed for key, value in item.items()]
        if parsed_args.security_group:
            query["security_groups"] = [own(cloud, name)["id"] for name in parsed_args.security_group]
        query |= tags.query(parsed_args) | options.page(parsed_args)
        ports = cloud.pages("/ports", "ports", "network", **query)
        return table(_LIST + _LONG if parsed_args.long else _LIST, ports)


class ShowPort(ShowOne):  # type: ignore[misc]
    """Show one port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="<port>", help="port (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(SHOWN, find.one(self.app.cloud(), find.PORT, parsed_args.port))


class DeletePorts(resource.DeleteThings):
    """Delete ports."""

    kind = find.PORT


def fixed_ips(cloud: Cloud, asked: list[dict[str, str]]) -> list[dict[str, str]]:
    """Raises CommandError for a word that is none of subnet and ip-address."""
    found = []
    for item in asked:
        if not set(item) <= {"subnet", "ip-address"}:
            raise CommandError("--fixed-ip takes subnet=<subnet>,ip-address=<ip-address>, either or both.")
        one = {"subnet_id": find.id_of(cloud, find.SUBNET, item.get("subnet")), "ip_address": item.get("ip-address")}
        found.append({key: value for key, value in one.items() if value is not None})
    return found
