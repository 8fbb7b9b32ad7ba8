"""`cumulet server group …`: servers that are to be kept apart, or together."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dict, Field, List, same, show

_POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Policy", "policy"))
_SHOW = (
    *same("id", "name", "policy", "project_id", "user_id"), Field("members", "members", List),
    Field("rules", "rules", Dict),
)  # fmt: skip


class ListGroups(resource.ListThings):
    """List server groups."""

    kind = find.SERVER_GROUP
    columns = _LIST
    long_columns = (
        *_LIST, Field("Members", "members", List), Field("Project Id", "project_id"), Field("User Id", "user_id"),
    )  # fmt: skip
    of_project = paged = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        parser.add_argument("--limit", type=options.count, metavar="<limit>", help="at most so many")
        parser.add_argument("--offset", type=options.count, metavar="<offset>", help="without the first so many")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        everybody = {"all_projects": "True"} if parsed_args.all_projects else {}
        return everybody | options.given(limit=parsed_args.limit, offset=parsed_args.offset)


class ShowGroup(resource.ShowThing):
    """Show one server group."""

    kind = find.SERVER_GROUP
    columns = _SHOW


class CreateGroup(ShowOne):  # type: ignore[misc]
    """Create a server group; servers join it with `server create --server-group`."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument(
            "--policy",
            choices=_POLICIES,
            default="affinity",
            metavar="<policy>",
            help=f"{', '.join(_POLICIES)} (affinity)",
        )
        parser.add_argument(
            "--rule", action=options.KeyValue, metavar="<key=value>", help="max_server_per_host, with anti-affinity"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.rule and parsed_args.policy != "anti-affinity":
            raise CommandError("--rule goes with --policy anti-affinity.")
        wanted: dict[str, Any] = {"name": parsed_args.name, "policy": parsed_args.policy}
        if parsed_args.rule:
            wanted["rules"] = {
                key: int(value) if value.isdecimal() else value for key, value in parsed_args.rule.items()
            }
        made = self.app.cloud().send("POST", "/os-server-groups", {"server_group": wanted}, service_type="compute")
        return show(_SHOW, made["server_group"])


class DeleteGroups(resource.DeleteThings):
    """Delete server groups; their servers stay."""

    kind = find.SERVER_GROUP
