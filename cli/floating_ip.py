"""`cumulet floating ip …`: outside addresses that lead to servers."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import find, resource, tags
from cli.cloud import Cloud
from cli.fields import Dict, Dicts, Field, List, same
from cli.resource import Option

_LIST = (
    Field("ID", "id"), Field("Floating IP Address", "floating_ip_address"), Field("Fixed IP Address", "fixed_ip_address"),
    Field("Port", "port_id"), Field("Floating Network", "floating_network_id"), Field("Project", "project_id"),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "dns_domain", "dns_name", "fixed_ip_address", "floating_ip_address"),
    *same("floating_network_id", "id", "port_id", "project_id", "qos_policy_id", "revision_number", "router_id", "status"),
    *same("updated_at"), Field("name", "floating_ip_address"), Field("subnet_id", lambda _address: None),
    Field("port_details", "port_details", lambda value: None if value is None else Dict(value)),
    Field("port_forwardings", "port_forwardings", Dicts), Field("tags", "tags", List),
)  # fmt: skip
_PORT = Option("--port", "port_id", "port that it leads to (name or id)", kind=find.PORT)
_FIXED = Option("--fixed-ip-address", "fixed_ip_address", "which of the port's addresses", metavar="<ip-address>")
_QOS = Option("--qos-policy", "qos_policy_id", "QoS policy (name or id)", kind=find.QOS_POLICY)
_DESCRIPTION = Option("--description", "description", "description")


class ListFloatingIps(resource.ListThings):
    """List floating IPs."""

    kind = find.FLOATING_IP
    columns = _LIST
    long_columns = (
        *_LIST, Field("Router", "router_id"), Field("Status", "status"), Field("Description", "description"),
        Field("Tags", "tags", List), Field("DNS Name", "dns_name"), Field("DNS Domain", "dns_domain"),
    )  # fmt: skip
    filters = (
        Option("--network", "floating_network_id", "of this network (name or id)", kind=find.NETWORK, many=True),
        Option("--port", "port_id", "leading to this port (name or id)", kind=find.PORT, many=True),
        Option("--fixed-ip-address", "fixed_ip_address", "leading to this address", metavar="<ip-address>"),
        Option("--floating-ip-address", "floating_ip_address", "the one of this address", metavar="<ip-address>"),
        Option("--status", "status", "in this status", choices=("ACTIVE", "DOWN")),
        Option("--router", "router_id", "served by this router (name or id)", kind=find.ROUTER, many=True),
    )
    tagged = True


class ShowFloatingIp(resource.ShowThing):
    """Show one floating IP, by its id or address."""

    kind = find.FLOATING_IP
    columns = _SHOW


class CreateFloatingIp(resource.CreateThing):
    """Get a floating IP of a network that leads outside."""

    kind = find.FLOATING_IP
    columns = _SHOW
    named = False
    body = (
        Option("--subnet", "subnet_id", "of this subnet (name or id)", kind=find.SUBNET), _PORT, _FIXED, _QOS, _DESCRIPTION,
        Option("--floating-ip-address", "floating_ip_address", "this address (administrators)", metavar="<ip-address>"),
        Option("--dns-domain", "dns_domain", "domain of its name"), Option("--dns-name", "dns_name", "its name"),
    )  # fmt: skip
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="<network>", help="network that leads outside (name or id)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"floating_network_id": find.id_of(cloud, find.NETWORK, parsed_args.network)}


class SetFloatingIp(resource.SetThing):
    """Let a floating IP lead to a port, or change what is said of it."""

    kind = find.FLOATING_IP
    renamed = False
    body = (_PORT, _FIXED, _QOS, _DESCRIPTION)
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--no-qos-policy", action="store_true", help="no QoS policy any more")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        return {"qos_policy_id": None} if parsed_args.no_qos_policy else {}


class UnsetFloatingIp(Command):  # type: ignore[misc]
    """Let a floating IP lead nowhere, or remove its QoS policy or tags."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.FLOATING_IP)
        parser.add_argument("--port", action="store_true", help="its port")
        parser.add_argument("--qos-policy", action="store_true", help="its QoS policy")
        tags.add_for_unset(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        address = find.one(cloud, find.FLOATING_IP, parsed_args.thing)
        gone = {"port_id": parsed_args.port, "qos_policy_id": parsed_args.qos_policy}
        resource.change(cloud, find.FLOATING_IP, address, {key: None for key, asked in gone.items() if asked})
        tags.remove(cloud, find.FLOATING_IP, address, parsed_args)


class DeleteFloatingIps(resource.DeleteThings):
    """Give floating IPs back, by id or address."""

    kind = find.FLOATING_IP
