"""`cumulet security group rule …`: one line of what may pass."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Field, Item, same, show, table
from cli.security_group import own

_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")


def _range(rule: Item) -> str:
    """As `openstack` writes ports, and the type and code of ICMP."""
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    if str(rule.get("protocol")) in _ICMP:
        return (f"type={first}" if first is not None else "") + (f":code={last}" if last is not None else "")
    if first is None and last is None:
        return ""
    return f"{'' if first is None else first}:{'' if last is None else last}"


def _remote(rule: Item) -> str:
    return rule.get("remote_ip_prefix") or ("::/0" if rule.get("ethertype") == "IPv6" else "0.0.0.0/0")


_LIST = (
    Field("ID", "id"), Field("IP Protocol", "protocol"), Field("Ethertype", "ethertype"), Field("IP Range", _remote),
    Field("Port Range", _range), Field("Direction", "direction"), Field("Remote Security Group", "remote_group_id"),
    Field("Remote Address Group", "remote_address_group_id"),
)  # fmt: skip
_GROUP = (Field("Security Group", "security_group_id"),)
_SHOW = (
    *same("belongs_to_default_sg", "created_at", "description", "direction", "id", "normalized_cidr", "port_range_max"),
    *same("port_range_min", "project_id", "protocol", "remote_address_group_id", "remote_group_id", "remote_ip_prefix"),
    *same("revision_number", "security_group_id", "updated_at"), Field("ether_type", "ethertype"),
)  # fmt: skip


class ListRules(Lister):  # type: ignore[misc]
    """List the rules of one security group, or of all."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", nargs="?", metavar="<group>", help="security group (name or id)")
        parser.add_argument("--protocol", metavar="<protocol>", help="of this protocol")
        parser.add_argument("--ethertype", type=_ethertype, metavar="<ethertype>", help="IPv4 or IPv6")
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--ingress", dest="direction", action="store_const", const="ingress", help="for what comes in")
        way.add_argument("--egress", dest="direction", action="store_const", const="egress", help="for what goes out")
        parser.add_argument("--long", action="store_true", help="without effect: it shows the same")
        options.project(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        rules = cloud.pages(
            "/security-group-rules", "security_group_rules", "network",
            security_group_id=own(cloud, parsed_args.group)["id"] if parsed_args.group else None,
            protocol=_any(parsed_args.protocol), ethertype=parsed_args.ethertype, direction=parsed_args.direction,
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            **options.page(parsed_args),
        )  # fmt: skip
        return table(_LIST if parsed_args.group else _LIST + _GROUP, rules)


class ShowRule(ShowOne):  # type: ignore[misc]
    """Show one rule."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("rule", metavar="<rule>", help="id of the rule")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, _rule(self.app.cloud(), parsed_args.rule))


class CreateRule(ShowOne):  # type: ignore[misc]
    """Let something pass."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        remote = parser.add_mutually_exclusive_group()
        remote.add_argument("--remote-ip", metavar="<ip-address>", help="from or to this address or range")
        remote.add_argument("--remote-group", metavar="<group>", help="from or to servers of this group (name or id)")
        remote.add_argument(
            "--remote-address-group",
            metavar="<group>",
            help="from or to the addresses of this address group (name or id)",
        )
        parser.add_argument("--dst-port", type=_ports, metavar="<port-range>", help="port, or first:last")
        parser.add_argument("--protocol", metavar="<protocol>", help="tcp, udp, icmp, a number, or any (default)")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--icmp-type", type=int, metavar="<icmp-type>", help="ICMP type")
        parser.add_argument("--icmp-code", type=int, metavar="<icmp-code>", help="ICMP code")
        way = parser.add_mutually_exclusive_group()
        way.add_argument(
            "--ingress", dest="direction", action="store_const", const="ingress", default="ingress", help="in"
        )
        way.add_argument("--egress", dest="direction", action="store_const", const="egress", help="out")
        parser.add_argument("--ethertype", type=_ethertype, metavar="<ethertype>", help="IPv4 or IPv6")
        options.project(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        protocol, version = _any(parsed_args.protocol), _version(parsed_args)
        first, last = parsed_args.dst_port or (parsed_args.icmp_type, parsed_args.icmp_code)
        if parsed_args.dst_port and protocol in _ICMP:
            raise CommandError("--dst-port has no meaning for ICMP: use --icmp-type and --icmp-code.")
        if parsed_args.icmp_type is not None and protocol not in _ICMP:
            raise CommandError("--icmp-type needs --protocol icmp.")
        remote_ip = parsed_args.remote_ip
        others = parsed_args.remote_group or parsed_args.remote_address_group
        if remote_ip is None and not others and parsed_args.direction == "ingress":
            remote_ip = "::/0" if version == "IPv6" else "0.0.0.0/0"
        wanted = options.given(
            security_group_id=own(cloud, parsed_args.group)["id"], direction=parsed_args.direction, ethertype=version,
            protocol=protocol, port_range_min=first, port_range_max=last, description=parsed_args.description,
            remote_ip_prefix=remote_ip,
            remote_address_group_id=find.id_of(cloud, find.ADDRESS_GROUP, parsed_args.remote_address_group),
            remote_group_id=own(cloud, parsed_args.remote_group)["id"] if parsed_args.remote_group else None,
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        )  # fmt: skip
        made = cloud.send("POST", "/security-group-rules", {"security_group_rule": wanted}, service_type="network")
        return show(_SHOW, made["security_group_rule"])


class DeleteRules(Command):  # type: ignore[misc]
    """Delete rules."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("rule", nargs="+", metavar="<rule>", help="id of a rule")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(rule_id: str) -> None:
            cloud.send("DELETE", f"/security-group-rules/{_rule(cloud, rule_id)['id']}", service_type="network")

        options.each(parsed_args.rule, "rules could not be deleted", delete)


def _rule(cloud: Cloud, rule_id: str) -> dict[str, Any]:
    """Rules have no names. Raises CommandError."""
    found = find.by_id(cloud, find.RULE, rule_id)
    if found is None:
        raise CommandError(
            f"There is no security group rule {rule_id!r}; `cumulet security group rule list` shows those there are."
        )
    return found


def _any(protocol: str | None) -> str | None:
    return None if protocol is None or protocol.lower() == "any" else protocol.lower()


def _version(parsed_args: argparse.Namespace) -> str:
    if parsed_args.ethertype:
        return str(parsed_args.ethertype)
    six = ":" in (parsed_args.remote_ip or "") or (parsed_args.protocol or "").startswith(("ipv6-", "icmpv6"))
    return "IPv6" if six else "IPv4"


def _ethertype(text: str) -> str:
    known = {"ipv4": "IPv4", "ipv6": "IPv6"}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"IPv4 or IPv6, not {text!r}")
    return known[text.lower()]


def _ports(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"a port or first:last, not {text!r}")
    return int(first), int(last or first)
