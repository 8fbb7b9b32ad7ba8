"""`cumulet group …`: users that get roles together."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Field, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"))
_LONG = (*_LIST, Field("Domain ID", "domain_id"), Field("Description", "description"))
_SHOW = same("description", "domain_id", "id", "name")


class ListGroups(Lister):  # type: ignore[misc]
    """List groups of users."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--domain", metavar="<domain>", help="of this domain (name or id)")
        options.user(parser, "with this user (name or id)")
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = "/groups"
        if parsed_args.user:
            path = f"/users/{find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)}/groups"
        found = cloud.pages(path, "groups", "identity", domain_id=find.domain_id(cloud, parsed_args.domain))
        return table(_LONG if parsed_args.long else _LIST, found)


class ShowGroup(ShowOne):  # type: ignore[misc]
    """Show one group of users."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, _one(self.app.cloud(), parsed_args.group, parsed_args.domain))


class CreateGroup(ShowOne):  # type: ignore[misc]
    """Create a group of users (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<group-name>", help="name")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--or-show", action="store_true", help="show it where it is there already")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, description=parsed_args.description,
            domain_id=find.domain_id(cloud, parsed_args.domain),
        )  # fmt: skip
        try:
            made = cloud.send("POST", "/groups", {"group": wanted}, service_type="identity")["group"]
        except CloudRefusedError as err:
            if err.status != 409 or not parsed_args.or_show:
                raise
            made = _one(cloud, parsed_args.name, parsed_args.domain)
        return show(_SHOW, made)


class SetGroup(Command):  # type: ignore[misc]
    """Change a group of users (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        group_id = _one(cloud, parsed_args.group, parsed_args.domain)["id"]
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        if wanted:
            cloud.send("PATCH", f"/groups/{group_id}", {"group": wanted}, service_type="identity")


class DeleteGroups(Command):  # type: ignore[misc]
    """Delete groups of users (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "group")
        parser.add_argument("--domain", metavar="<domain>", help="their domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/groups/{_one(cloud, name, parsed_args.domain)['id']}", service_type="identity")

        options.each(parsed_args.names, "groups could not be deleted", delete)


class AddUsers(Command):  # type: ignore[misc]
    """Put users into a group (administrators)."""

    method: ClassVar[str] = "PUT"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _members(super().get_parser(prog_name))
        parser.add_argument("users", nargs="+", metavar="<user>", help="user (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        group_id = _one(cloud, parsed_args.group, parsed_args.group_domain)["id"]

        def act(name: str) -> None:
            user_id = find.identity_id(cloud, find.USER, name, parsed_args.user_domain)
            cloud.send(self.method, f"/groups/{group_id}/users/{user_id}", service_type="identity")

        options.each(parsed_args.users, "users could not be changed", act)


class RemoveUsers(AddUsers):
    """Take users out of a group (administrators)."""

    method = "DELETE"


class ContainsUser(Command):  # type: ignore[misc]
    """Say whether a user is in a group; exit status 1 if not."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _members(super().get_parser(prog_name))
        parser.add_argument("user", metavar="<user>", help="user (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        group_id = _one(cloud, parsed_args.group, parsed_args.group_domain)["id"]
        user_id = find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)
        try:
            cloud.send("HEAD", f"/groups/{group_id}/users/{user_id}", service_type="identity")
        except CloudRefusedError as err:
            if err.status != 404:
                raise
            raise CommandError(f"{parsed_args.user} not in group {parsed_args.group}") from None
        self.app.stdout.write(f"{parsed_args.user} in group {parsed_args.group}\n")


def _parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("group", metavar="<group>", help="group (name or id)")
    parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
    return parser


def _members(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("group", metavar="<group>", help="group (name or id)")
    parser.add_argument("--group-domain", metavar="<group-domain>", help="domain of the group")
    parser.add_argument("--user-domain", metavar="<user-domain>", help="domain of the user")
    return parser


def _one(cloud: Cloud, name: str, domain: str | None) -> dict[str, Any]:
    return find.one(cloud, find.USER_GROUP, name, domain_id=find.domain_id(cloud, domain))
