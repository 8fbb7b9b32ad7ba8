"""`cumulet network agent …` and `ip availability …`: what serves networks, and how many addresses are left."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from cliff.columns import FormattableColumn
from cliff.command import Command

from cli import find, resource
from cli.cloud import Cloud, part
from cli.fields import Dict, Dicts, Field, UpDown, same
from cli.find import Kind
from cli.resource import Option


class _Alive(FormattableColumn):  # type: ignore[misc]
    """Whether it was heard of lately."""

    def human_readable(self) -> str:
        return ":-)" if self._value else "XXX"


_TYPES = {
    "dhcp": "DHCP agent", "open-vswitch": "Open vSwitch agent", "linux-bridge": "Linux bridge agent",
    "l3": "L3 agent", "metadata": "Metadata agent", "metering": "Metering agent", "bgp": "BGP dynamic routing agent",
    "ofa": "OFA driver agent", "macvtap": "Macvtap agent", "nic": "NIC Switch agent", "ovn-controller": "OVN Controller agent",
    "ovn-controller-gateway": "OVN Controller Gateway agent", "ovn-metadata": "OVN Metadata agent", "ovn-agent": "OVN Agent",
}  # fmt: skip
_SHOW = (
    *same("agent_type", "availability_zone", "binary", "created_at", "description", "ha_chassis_priority"),
    *same("ha_state", "host", "id"),
    *same("resources_synced", "started_at", "topic"), Field("admin_state_up", "admin_state_up", UpDown),
    Field("alive", "alive", _Alive), Field("configuration", "configurations", Dict),
    Field("last_heartbeat_at", "heartbeat_timestamp"),
)  # fmt: skip
#: what only the newest extension of Neutron tells
_DETAILS = ("Total IPs in Subnet", "Total IPs in Allocation Pool", "Used IPs in Subnet", "Used IPs in Allocation Pool")
_AVAILABILITY = same("network_id", "network_name", "project_id", "total_ips", "used_ips")


def _untold(_answer: Any) -> str:
    return ""


class ListAgents(resource.ListThings):
    """List what serves networks on the nodes (administrators)."""

    kind = find.AGENT
    columns = (
        Field("ID", "id"), Field("Agent Type", "agent_type"), Field("Host", "host"),
        Field("Availability Zone", "availability_zone"), Field("Alive", "alive", _Alive),
        Field("State", "admin_state_up", UpDown), Field("Binary", "binary"),
    )  # fmt: skip
    filters = (Option("--host", "host", "on this node"),)
    of_project = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--agent-type", choices=tuple(_TYPES), metavar="<agent-type>", help="such as dhcp or l3")
        parser.add_argument("--network", metavar="<network>", help="those that serve this network (name or id)")
        parser.add_argument("--router", metavar="<router>", help="those that have this router (name or id)")
        parser.add_argument("--long", action="store_true", help="with --router: more columns")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"agent_type": _TYPES[parsed_args.agent_type]} if parsed_args.agent_type else {}

    def at(self, cloud: Cloud, parsed_args: argparse.Namespace) -> str:
        if parsed_args.network:
            return f"{resource.path_of(cloud, find.NETWORK, parsed_args.network)}/dhcp-agents"
        if parsed_args.router:
            return f"{resource.path_of(cloud, find.ROUTER, parsed_args.router)}/l3-agents"
        return find.AGENT.path

    def shown(self, parsed_args: argparse.Namespace) -> Any:
        ha_state = (Field("HA State", "ha_state"),) if parsed_args.router and parsed_args.long else ()
        return (*self.columns, *ha_state)


class ShowAgent(resource.ShowThing):
    """Show one agent (administrators)."""

    kind = find.AGENT
    columns = _SHOW


class SetAgent(resource.SetThing):
    """Take an agent out of service or back, or describe it (administrators)."""

    kind = find.AGENT
    renamed = False
    body = (
        Option("--description", "description", "description"),
        Option("--enable", "admin_state_up", "admin state up", no="--disable"),
    )


class AddNetwork(Command):  # type: ignore[misc]
    """Let a DHCP agent serve a network (administrators)."""

    what: ClassVar[tuple[str, Kind, str, str]] = ("--dhcp", find.NETWORK, "dhcp-networks", "network_id")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        option, kind, _, _ = self.what
        parser.add_argument(option, action="store_true", help="kind of the agent; needs not be said")
        parser.add_argument("agent_id", metavar="<agent-id>", help="id of the agent")
        parser.add_argument("other", metavar=f"<{kind.noun}>", help=f"{kind.noun} (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        _, kind, path, key = self.what
        wanted = {key: find.id_of(cloud, kind, parsed_args.other)}
        cloud.send("POST", f"/agents/{part(parsed_args.agent_id)}/{path}", wanted, service_type="network")


class RemoveNetwork(AddNetwork):
    """Let a DHCP agent serve a network no longer (administrators)."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        _, kind, path, _ = self.what
        found = find.id_of(cloud, kind, parsed_args.other)
        cloud.send("DELETE", f"/agents/{part(parsed_args.agent_id)}/{path}/{found}", service_type="network")


class AddRouter(AddNetwork):
    """Put a router on the node of an L3 agent (administrators)."""

    what = ("--l3", find.ROUTER, "l3-routers", "router_id")


class RemoveRouter(RemoveNetwork):
    """Take a router from the node of an L3 agent (administrators)."""

    what = ("--l3", find.ROUTER, "l3-routers", "router_id")


class ListAvailability(resource.ListThings):
    """List how many addresses networks have, and how many are used (administrators)."""

    kind = find.IP_AVAILABILITY
    columns = (
        Field("Network ID", "network_id"), Field("Network Name", "network_name"), Field("Total IPs", "total_ips"),
        Field("Used IPs", "used_ips"), *(Field(title, _untold) for title in _DETAILS),
    )  # fmt: skip

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--ip-version", type=int, choices=(4, 6), default=4, metavar="<ip-version>", help="4 or 6 (4)"
        )
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"ip_version": parsed_args.ip_version}


class ShowAvailability(resource.ShowThing):
    """Show how many addresses a network has, subnet by subnet (administrators)."""

    kind = find.IP_AVAILABILITY
    columns = (
        *_AVAILABILITY,
        Field("ip_availability_details", lambda _answer: {}),
        Field("subnet_ip_availability", "subnet_ip_availability", Dicts),
    )
