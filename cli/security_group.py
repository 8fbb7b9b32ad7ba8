"""`cumulet security group …`: what may reach a server, group by group."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource, tags
from cli.cloud import Cloud
from cli.fields import Field, List, same, show
from cli.resource import Option


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


_STATEFUL = Option("--stateful", "stateful", "what answers is let pass", no="--stateless")


class ListGroups(resource.ListThings):
    """List security groups."""

    kind = find.GROUP
    columns = _LIST
    filters = (Option("--share", "shared", "shared with several projects", no="--no-share"),)
    tagged = True


class ShowGroup(ShowOne):  # type: ignore[misc]
    """Show one security group with its rules."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, own(self.app.cloud(), parsed_args.group))


class CreateGroup(resource.CreateThing):
    """Create a security group."""

    kind = find.GROUP
    columns = _SHOW
    body = (Option("--description", "description", "description (default: the name)"), _STATEFUL)
    tagged = True

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"description": parsed_args.description or parsed_args.name}


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
    """Change a security group's name, description, tags or statefulness."""

    body = (
        Option("--name", "name", "new name", metavar="<new-name>"), Option("--description", "description", "new description"),
        _STATEFUL,
    )  # fmt: skip

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        resource.add(parser, self.body)
        tags.add_for_set(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        group = own(cloud, parsed_args.group)
        resource.change(cloud, find.GROUP, group, resource.values(cloud, parsed_args, self.body))
        tags.change(cloud, find.GROUP, group, parsed_args)


class UnsetGroup(Command):  # type: ignore[misc]
    """Remove tags of a security group."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="security group (name or id)")
        tags.add_for_unset(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        tags.remove(cloud, find.GROUP, own(cloud, parsed_args.group), parsed_args)


def own(cloud: Cloud, name_or_id: str) -> dict[str, Any]:
    """Of the project worked in, where an administrator sees several of the name, such as `default`."""
    from cli.errors import CommandError

    try:
        return find.one(cloud, find.GROUP, name_or_id)
    except CommandError:
        return find.one(cloud, find.GROUP, name_or_id, project_id=cloud.project_id)
