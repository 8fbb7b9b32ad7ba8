"""`cumulet network …`: layer-2 networks."""

from __future__ import annotations

import argparse
from typing import Any

from cli import find, resource
from cli.cloud import Cloud, part
from cli.fields import Field, List, OutIn, UpDown, same
from cli.resource import Option

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
    *same("is_vlan_qinq", "pvlan"), Field("is_vlan_transparent", "vlan_transparent"),
    Field("admin_state_up", "admin_state_up", UpDown), Field("router:external", "router:external", OutIn),
    Field("availability_zone_hints", "availability_zone_hints", List), Field("subnets", "subnets", List),
    Field("availability_zones", "availability_zones", List), Field("tags", "tags", List),
)  # fmt: skip


_TYPES = ("flat", "geneve", "gre", "local", "vlan", "vxlan")
_DESCRIBED = (
    Option("--share", "shared", "shared by all projects (administrators)", no="--no-share"),
    Option("--enable", "admin_state_up", "admin state up", no="--disable"),
    Option("--external", "router:external", "leading outside (administrators)", no="--internal"),
)
_CHANGEABLE = (
    *_DESCRIBED, Option("--default", "is_default", "the default external network (administrators)", no="--no-default"),
    Option("--enable-port-security", "port_security_enabled", "port security of new ports", no="--disable-port-security"),
    Option("--description", "description", "description"), Option("--mtu", "mtu", "largest packet, in bytes", type=int),
    Option("--dns-domain", "dns_domain", "domain of the ports' names"),
    Option("--qos-policy", "qos_policy_id", "QoS policy of its ports (name or id)", kind=find.QOS_POLICY),
)  # fmt: skip
_PROVIDER = (
    Option("--provider-network-type", "provider:network_type", "vxlan, or flat or vlan on a nodes' network (administrators)",
           choices=_TYPES),
    Option("--provider-physical-network", "provider:physical_network", "the nodes' network that it is on (administrators)"),
    Option("--provider-segment", "provider:segmentation_id", "VLAN or tunnel id (administrators)", type=int),
)  # fmt: skip


def _with_own(network: dict[str, Any]) -> list[Field]:
    """What only this cloud says of networks, where it does, is shown too."""
    return [*_SHOW, *same(*(key for key in network if key.startswith("cumulet:")))]


class ListNetworks(resource.ListThings):
    """List networks."""

    kind = find.NETWORK
    columns = _LIST
    long_columns = _LONG
    filters = (
        *_DESCRIBED, *_PROVIDER, Option("--name", "name", "of this name"),
        Option("--status", "status", "in this status, such as ACTIVE", choices=("ACTIVE", "BUILD", "DOWN", "ERROR")),
    )  # fmt: skip
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--agent", metavar="<agent-id>", help="served by this DHCP agent (administrators)")
        return parser

    def at(self, cloud: Cloud, parsed_args: argparse.Namespace) -> str:
        return f"/agents/{part(parsed_args.agent)}/dhcp-networks" if parsed_args.agent else "/networks"


class ShowNetwork(resource.ShowThing):
    """Show one network."""

    kind = find.NETWORK
    columns = _SHOW

    def shown(self, thing: dict[str, Any]) -> list[Field]:
        return _with_own(thing)


class CreateNetwork(resource.CreateThing):
    """Create a network."""

    kind = find.NETWORK
    columns = _SHOW
    body = (
        *_CHANGEABLE, *_PROVIDER,
        Option("--transparent-vlan", "vlan_transparent", "guests use VLANs of their own in it", no="--no-transparent-vlan"),
        Option("--availability-zone-hint", "availability_zone_hints", "a zone", metavar="<availability-zone>", many=True),
    )  # fmt: skip
    tagged = True

    def shown(self, thing: dict[str, Any]) -> list[Field]:
        return _with_own(thing)


class DeleteNetworks(resource.DeleteThings):
    """Delete networks with their subnets; ports must be gone."""

    kind = find.NETWORK


class SetNetwork(resource.SetThing):
    """Change a network."""

    kind = find.NETWORK
    body = (*_CHANGEABLE, *_PROVIDER)
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--no-qos-policy", action="store_true", help="no QoS policy any more")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        return {"qos_policy_id": None} if parsed_args.no_qos_policy else {}


class UnsetNetwork(resource.UnsetTags):
    """Remove tags of a network."""

    kind = find.NETWORK
