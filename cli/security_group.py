"""`cumulet security group …`: what may reach a server, group by group."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.fields import Field, List, same, show, table


class _Rules(FormattableColumn):  # type: ignore[misc]
    """One line for each, without what is not set."""

    def human_readable(self) -> str:
        hidden = ("project_id", "tenant_id", "security_group_id", "tags", "revision_number")
        kept = (
            {key: value for key, value in rule.items() if value and key not in hidden} for rule in self._value or ()
        )
        return "\n".join(", ".join(f"{key}='{rule[key]}'" for key in sorted(rule)) for rule in kept)


_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Description", "description"), Field("Project", "project_id"),
    Field("Tags", "tags", List), Field("Shared", lambda item: bool(item.get("shared"))),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "id", "name", "project_id", "revision_number", "stateful", "updated_at"),
    Field("is_shared", lambda item: bool(item.get("shared"))), Field("rules", "security_group_rules", _Rules),
    Field("tags", "tags", List),
)  # fmt: skip


class ListGroups(Lister):  # type: ignore[misc]
    """List security groups."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.project(parser)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        groups = cloud.pages(
            "/security-groups", "security_groups", "network", project_id=project_id, **options.page(parsed_args)
        )
        return table(_LIST, groups)


class ShowGroup(ShowOne):  # type: ignore[misc]
    """Show one security group with its rules."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, own(self.app.cloud(), parsed_args.group))


class CreateGroup(ShowOne):  # type: ignore[misc]
    """Create a security group."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--description", metavar="<description>", help="description (default: the name)")
        options.project(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {"name": parsed_args.name, "description": parsed_args.description or parsed_args.name}
        wanted |= options.given(
            project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        )
        made = cloud.send("POST", "/security-groups", {"security_group": wanted}, service_type="network")
        return show(_SHOW, made["security_group"])


class DeleteGroups(Command):  # type: ignore[misc]
    """Delete security groups that no port has."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "group")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/security-groups/{own(cloud, name)['id']}", service_type="network")

        options.each(parsed_args.names, "security groups could not be deleted", delete)


class SetGroup(Command):  # type: ignore[misc]
    """Change a security group's name or description."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        parser.add_argument("--name", metavar="<new-name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="new description")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        group_id = own(cloud, parsed_args.group)["id"]
        if wanted:
            cloud.send("PUT", f"/security-groups/{group_id}", {"security_group": wanted}, service_type="network")


def own(cloud: Cloud, name_or_id: str) -> dict[str, Any]:
    """Of the project worked in, where an administrator sees several of the name, such as `default`."""
    from cli.errors import CommandError

    try:
        return find.one(cloud, find.GROUP, name_or_id)
    except CommandError:
        return find.one(cloud, find.GROUP, name_or_id, project_id=cloud.project_id)
