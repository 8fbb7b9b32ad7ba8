"""`cumulet port create`, `port set` and `port unset`: what a port may be made and changed to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource, tags
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import show
from cli.port import SHOWN, fixed_ips
from cli.resource import Option
from cli.security_group import own

_PLAIN = (
    Option("--description", "description", "description"),
    Option("--device", "device_id", "id of the device that has it", metavar="<device-id>"),
    Option("--device-owner", "device_owner", "what the device is"), Option("--mac-address", "mac_address", "MAC address"),
    Option("--vnic-type", "binding:vnic_type", "normal"), Option("--dns-name", "dns_name", "host name"),
    Option("--dns-domain", "dns_domain", "domain of its name"),
    Option("--host", "binding:host_id", "node that it is bound to (administrators)", metavar="<host-id>"),
    Option("--enable", "admin_state_up", "admin state up", no="--disable"),
    Option("--enable-port-security", "port_security_enabled", "port security", no="--disable-port-security"),
    Option("--qos-policy", "qos_policy_id", "QoS policy (name or id)", kind=find.QOS_POLICY),
)  # fmt: skip


class CreatePort(ShowOne):  # type: ignore[misc]
    """Create a port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--network", required=True, metavar="<network>", help="its network (name or id)")
        options.project(parser)
        resource.add(parser, _PLAIN)
        _lists(parser, "none")
        tags.add_for_create(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = resource.values(cloud, parsed_args, _PLAIN) | _listed(cloud, parsed_args)
        if parsed_args.no_fixed_ip:
            wanted["fixed_ips"] = []
        if parsed_args.no_security_group:
            wanted["security_groups"] = []
        wanted |= options.given(project_id=resource.project_id(cloud, parsed_args))
        wanted |= {"name": parsed_args.name, "network_id": find.id_of(cloud, find.NETWORK, parsed_args.network)}
        made = cloud.send("POST", "/ports", {"port": wanted}, service_type="network")["port"]
        if parsed_args.tags:
            tags.replace(cloud, find.PORT, made["id"], parsed_args.tags)
        return show(SHOWN, {**made, "tags": parsed_args.tags or made["tags"]})


class SetPort(Command):  # type: ignore[misc]
    """Change a port; addresses, groups and address pairs are added to those there are."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.PORT)
        parser.add_argument("--name", metavar="<name>", help="new name")
        resource.add(parser, _PLAIN)
        _lists(parser, "remove those there are first")
        parser.add_argument("--no-allowed-address", action="store_true", help="remove all address pairs first")
        tags.add_for_set(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        port = find.one(cloud, find.PORT, parsed_args.thing)
        wanted = resource.values(cloud, parsed_args, _PLAIN) | options.given(name=parsed_args.name)
        added = _listed(cloud, parsed_args)
        for name, cleared in (
            ("fixed_ips", parsed_args.no_fixed_ip),
            ("security_groups", parsed_args.no_security_group),
            ("allowed_address_pairs", parsed_args.no_allowed_address),
            ("extra_dhcp_opts", False),
        ):
            if name in added or cleared:
                there = [] if cleared else port[name]
                wanted[name] = there + [one for one in added.get(name, []) if one not in there]
        resource.change(cloud, find.PORT, port, wanted)
        tags.change(cloud, find.PORT, port, parsed_args)


class UnsetPort(Command):  # type: ignore[misc]
    """Remove addresses, groups, address pairs, tags and others of a port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _repeated(parser)
        for name, about in (
            ("--qos-policy", "the QoS policy"), ("--host", "the node that it is bound to (administrators)"),
            ("--device", "the device that has it"), ("--device-owner", "what the device is"),
        ):  # fmt: skip
            parser.add_argument(name, action="store_true", help=about)
        tags.add_for_unset(parser)
        resource.positional(parser, find.PORT)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        port = find.one(cloud, find.PORT, parsed_args.thing)
        wanted: dict[str, Any] = {}
        if parsed_args.fixed_ip:
            asked = fixed_ips(cloud, parsed_args.fixed_ip)
            wanted["fixed_ips"] = _without_matching(port["fixed_ips"], asked, "fixed IP")
        if parsed_args.security_group:
            gone = [own(cloud, name)["id"] for name in parsed_args.security_group]
            wanted["security_groups"] = resource.without(port["security_groups"], gone, "security group")
        if parsed_args.allowed_address:
            pairs = [_address_pair(pair) for pair in parsed_args.allowed_address]
            wanted["allowed_address_pairs"] = _without_matching(port["allowed_address_pairs"], pairs, "address pair")
        for key, asked_for, nothing in (
            ("qos_policy_id", parsed_args.qos_policy, None), ("binding:host_id", parsed_args.host, ""),
            ("device_id", parsed_args.device, ""), ("device_owner", parsed_args.device_owner, ""),
        ):  # fmt: skip
            if asked_for:
                wanted[key] = nothing
        resource.change(cloud, find.PORT, port, wanted)
        tags.remove(cloud, find.PORT, port, parsed_args)


def _repeated(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fixed-ip", action="append", type=options.pairs, metavar="subnet=<subnet>,ip-address=<ip-address>",
        help="an address (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--security-group", action="append", metavar="<security-group>", help="group (name or id)")
    parser.add_argument(
        "--allowed-address", action="append", type=options.pairs,
        metavar="ip-address=<ip-address>[,mac-address=<mac-address>]", help="further address that it may use",
    )  # fmt: skip


def _lists(parser: argparse.ArgumentParser, no: str) -> None:
    _repeated(parser)
    parser.add_argument("--no-fixed-ip", action="store_true", help=f"addresses: {no}")
    parser.add_argument("--no-security-group", action="store_true", help=f"groups: {no}")
    parser.add_argument(
        "--extra-dhcp-option", action="append", type=options.pairs, help="told by DHCP (may be repeated)",
        metavar="name=<name>[,value=<value>,ip-version={4,6}]",
    )  # fmt: skip


def _listed(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    """What of the options that may be repeated was given."""
    found: dict[str, Any] = {}
    if parsed_args.fixed_ip:
        found["fixed_ips"] = fixed_ips(cloud, parsed_args.fixed_ip)
    if parsed_args.security_group:
        found["security_groups"] = [own(cloud, name)["id"] for name in parsed_args.security_group]
    if parsed_args.allowed_address:
        found["allowed_address_pairs"] = [_address_pair(pair) for pair in parsed_args.allowed_address]
    if parsed_args.extra_dhcp_option:
        found["extra_dhcp_opts"] = [_dhcp_option(one) for one in parsed_args.extra_dhcp_option]
    return found


def _address_pair(pair: dict[str, str]) -> dict[str, str]:
    if "ip-address" not in pair or not set(pair) <= {"ip-address", "mac-address"}:
        raise CommandError("--allowed-address takes ip-address=<ip-address>[,mac-address=<mac-address>].")
    return {key.replace("-", "_"): value for key, value in pair.items()}


def _dhcp_option(one: dict[str, str]) -> dict[str, str]:
    names = {"name": "opt_name", "value": "opt_value", "ip-version": "ip_version"}
    if "name" not in one or not set(one) <= set(names):
        raise CommandError("--extra-dhcp-option takes name=<name>[,value=<value>,ip-version={4,6}].")
    return {names[key]: value for key, value in one.items()}


def _without_matching(
    there: Sequence[dict[str, Any]], asked: Sequence[dict[str, Any]], what: str
) -> list[dict[str, Any]]:
    """Those that no one of `asked` describes. Raises CommandError for a description of none."""
    left = list(there)
    for words in asked:
        kept = [one for one in left if any(one.get(key) != value for key, value in words.items())]
        if len(kept) == len(left):
            raise CommandError(f"The port has no {what} {words}; it has {list(there)}.")
        left = kept
    return left
