"""`cumulet network qos …`: policies that bound what ports may send and receive."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dicts, Field, List, same, show, table
from cli.resource import Option


def _told(value: Any) -> Any:
    """What a rule of that type doesn't have is empty."""
    return "" if value is None else value


_POLICY = (
    *same("created_at", "description", "id", "is_default", "name", "project_id", "revision_number", "shared", "updated_at"),
    Field("rules", "rules", Dicts), Field("tags", "tags", List),
)  # fmt: skip
_CHANGEABLE = (
    Option("--description", "description", "description"),
    Option("--share", "shared", "for all projects (administrators)", no="--no-share"),
    Option("--default", "is_default", "of networks that name none", no="--no-default"),
)
_RULES = (
    Field("ID", "id"), Field("QoS Policy ID", "qos_policy_id"), Field("Type", "type"), Field("Max Kbps", "max_kbps", _told),
    Field("Max Burst Kbits", "max_burst_kbps", _told), Field("Min Kbps", "min_kbps", _told),
    Field("Min Kpps", "min_kpps", _told), Field("DSCP mark", "dscp_mark", _told), Field("Direction", "direction", _told),
)  # fmt: skip
_TYPES = ("minimum-bandwidth", "minimum-packet-rate", "dscp-marking", "bandwidth-limit")
#: option -> key of the body, what it is for
_VALUES = {
    "--max-kbps": ("max_kbps", "kbit/s at most"), "--max-burst-kbits": ("max_burst_kbps", "kbit at once at most"),
    "--dscp-mark": ("dscp_mark", "mark of packets"), "--min-kbps": ("min_kbps", "kbit/s at least"),
    "--min-kpps": ("min_kpps", "1000 packets/s at least"),
}  # fmt: skip


class ListPolicies(resource.ListThings):
    """List QoS policies."""

    kind = find.QOS_POLICY
    columns = (
        Field("ID", "id"), Field("Name", "name"), Field("Shared", "shared"), Field("Default", "is_default"),
        Field("Project", "project_id"),
    )  # fmt: skip
    filters = (Option("--share", "shared", "for all projects", no="--no-share"),)


class ShowPolicy(resource.ShowThing):
    """Show one QoS policy with its rules."""

    kind = find.QOS_POLICY
    columns = _POLICY


class CreatePolicy(resource.CreateThing):
    """Create a QoS policy (administrators)."""

    kind = find.QOS_POLICY
    columns = _POLICY
    body = _CHANGEABLE


class SetPolicy(resource.SetThing):
    """Change a QoS policy (administrators)."""

    kind = find.QOS_POLICY
    body = _CHANGEABLE


class DeletePolicies(resource.DeleteThings):
    """Delete QoS policies that nothing has (administrators)."""

    kind = find.QOS_POLICY


class ListRules(Lister):  # type: ignore[misc]
    """List the rules of a QoS policy."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name), rule=False)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        policy = find.one(self.app.cloud(), find.QOS_POLICY, parsed_args.thing)
        return table(_RULES, ({"qos_policy_id": policy["id"], **rule} for rule in policy["rules"]))


class ShowRule(ShowOne):  # type: ignore[misc]
    """Show one rule of a QoS policy."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return _shown(_one(self.app.cloud(), parsed_args)[1])


class CreateRule(ShowOne):  # type: ignore[misc]
    """Add a rule to a QoS policy (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name), rule=False)
        parser.add_argument("--type", required=True, choices=_TYPES, metavar="<type>", help=", ".join(_TYPES))
        _value_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        kind = f"{parsed_args.type.replace('-', '_')}_rule"
        policy = find.one(cloud, find.QOS_POLICY, parsed_args.thing)
        path = f"/qos/policies/{policy['id']}/{kind}s"
        wanted = _wanted(parsed_args)
        if not wanted:
            raise CommandError(f"A rule of type {parsed_args.type} needs a value: {', '.join(_VALUES)}.")
        made = cloud.send("POST", path, {kind: wanted}, service_type="network")[kind]
        return _shown(made)


class SetRule(Command):  # type: ignore[misc]
    """Change a rule of a QoS policy (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        _value_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        policy, rule = _one(cloud, parsed_args)
        wanted = _wanted(parsed_args)
        if wanted:
            cloud.send("PUT", _rule_path(policy, rule), {f"{rule['type']}_rule": wanted}, service_type="network")


class DeleteRule(Command):  # type: ignore[misc]
    """Remove a rule from a QoS policy (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        cloud.send("DELETE", _rule_path(*_one(cloud, parsed_args)), service_type="network")


class ListRuleTypes(Lister):  # type: ignore[misc]
    """List the types of rules that this cloud keeps."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all-supported", action="store_true", help="that some part of the cloud keeps")
        which.add_argument("--all-rules", action="store_true", help="that there are")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        asked = options.page(parsed_args) | options.given(
            all_supported=parsed_args.all_supported or None, all_rules=parsed_args.all_rules or None
        )
        return table((Field("Type", "type"),), cloud.pages("/qos/rule-types", "rule_types", "network", **asked))


class ShowRuleType(ShowOne):  # type: ignore[misc]
    """Show what keeps a type of rules (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("rule_type", metavar="<qos-rule-type-name>", help="such as bandwidth_limit")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().get(f"/qos/rule-types/{part(parsed_args.rule_type)}", "network")["rule_type"]
        return show((Field("drivers", "drivers", Dicts), Field("rule_type_name", "type")), found)


def _parser(parser: argparse.ArgumentParser, *, rule: bool = True) -> argparse.ArgumentParser:
    resource.positional(parser, find.QOS_POLICY)
    if rule:
        parser.add_argument("rule", metavar="<rule-id>", help="id of the rule")
    return parser


def _value_options(parser: argparse.ArgumentParser) -> None:
    for name, (_, about) in _VALUES.items():
        parser.add_argument(name, type=options.count, metavar=f"<{name.strip('-')}>", help=about)
    way = parser.add_mutually_exclusive_group()
    for word in ("ingress", "egress", "any"):
        way.add_argument(f"--{word}", dest="direction", action="store_const", const=word, help=f"direction: {word}")


def _wanted(parsed_args: argparse.Namespace) -> dict[str, Any]:
    said = {key: getattr(parsed_args, option.strip("-").replace("-", "_")) for option, (key, _) in _VALUES.items()}
    return options.given(**said, direction=parsed_args.direction)


def _one(cloud: Cloud, parsed_args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy and its rule. Raises CommandError."""
    policy = find.one(cloud, find.QOS_POLICY, parsed_args.thing)
    for rule in policy["rules"]:
        if rule["id"] == parsed_args.rule:
            return policy, rule
    raise CommandError(
        f"QoS policy {policy['name']} has no rule {parsed_args.rule}; `cumulet network qos rule list {policy['name']}` "
        "shows those that it has."
    )


def _rule_path(policy: dict[str, Any], rule: dict[str, Any]) -> str:
    return f"/qos/policies/{policy['id']}/{rule['type']}_rules/{rule['id']}"


def _shown(rule: dict[str, Any]) -> Any:
    return show(same(*(key for key in rule if key not in ("tags", "type", "qos_policy_id"))), rule)
