"""`cumulet user …`: who may log in."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Field, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"))
_LONG = (
    Field("Project", "default_project_id"), Field("Domain", "domain_id"), Field("Description", "description"),
    Field("Email", "email"), Field("Enabled", "enabled"),
)  # fmt: skip
_SHOW = (
    *same("default_project_id", "domain_id", "email", "enabled", "id", "name", "description", "password_expires_at"),
    *same("options"),
)


class ListUsers(Lister):  # type: ignore[misc]
    """List users (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--domain", metavar="<domain>", help="of this domain (name or id)")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--group", metavar="<group>", help="in this group (name or id)")
        where.add_argument("--project", metavar="<project>", help="with a role in this project (name or id)")
        parser.add_argument("--long", action="store_true", help="more columns")
        options.yes_no(parser, "--enabled", "--disabled", "enabled")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = "/users"
        if parsed_args.group:
            domain = {"domain_id": find.domain_id(cloud, parsed_args.domain)}
            path = f"/groups/{find.id_of(cloud, find.USER_GROUP, parsed_args.group, **domain)}/users"
        found = cloud.pages(
            path, "users", "identity", domain_id=find.domain_id(cloud, parsed_args.domain),
            enabled=parsed_args.enabled, **options.page(parsed_args),
        )  # fmt: skip
        if parsed_args.project:
            project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.domain)
            scope: dict[str, Any] = {"scope.project.id": project_id}
            assigned = cloud.pages("/role_assignments", "role_assignments", "identity", **scope)
            there = {item["user"]["id"] for item in assigned if "user" in item}
            found = (user for user in list(found) if user["id"] in there)
        return table(_LIST + _LONG if parsed_args.long else _LIST, found)


class ShowUser(ShowOne):  # type: ignore[misc]
    """Show one user."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("user", metavar="<user>", help="user (name or id)")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        user_id = find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.domain)
        return show(_SHOW, cloud.get(f"/users/{user_id}", "identity")["user"])


class CreateUser(ShowOne):  # type: ignore[misc]
    """Create a user (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        _changeable(parser)
        options.yes_no(parser, "--enable", "--disable", "enabled", default=True)
        parser.add_argument("--or-show", action="store_true", help="show it where it is there already")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        domain_id = find.domain_id(cloud, parsed_args.domain)
        wanted = _wanted(cloud, parsed_args) | options.given(domain_id=domain_id)
        try:
            made = cloud.send("POST", "/users", {"user": wanted}, service_type="identity")["user"]
        except CloudRefusedError as err:
            if err.status != 409 or not parsed_args.or_show:
                raise
            made = find.one(cloud, find.USER, parsed_args.name, domain_id=domain_id)
        return show(_SHOW, made)


class DeleteUsers(Command):  # type: ignore[misc]
    """Delete users (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "user")
        parser.add_argument("--domain", metavar="<domain>", help="their domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            user_id = find.id_of(cloud, find.USER, name, domain_id=find.domain_id(cloud, parsed_args.domain))
            cloud.send("DELETE", f"/users/{user_id}", service_type="identity")

        options.each(parsed_args.names, "users could not be deleted", delete)


class SetUser(Command):  # type: ignore[misc]
    """Change a user (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("user", metavar="<user>", help="user (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        _changeable(parser)
        options.yes_no(parser, "--enable", "--disable", "enabled")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        user_id = find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.domain)
        wanted = _wanted(cloud, parsed_args)
        if wanted:
            cloud.send("PATCH", f"/users/{user_id}", {"user": wanted}, service_type="identity")


class SetPassword(Command):  # type: ignore[misc]
    """Change your own password; what is not given is asked for."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--password", metavar="<new-password>", help="new password")
        parser.add_argument("--original-password", metavar="<original-password>", help="password until now")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        old = parsed_args.original_password or getpass.getpass("Current password: ")
        new = parsed_args.password
        if new is None:
            new = getpass.getpass("New password: ")
            if new != getpass.getpass("Repeat new password: "):
                raise CommandError("The two passwords differ; try again.")
        path = f"/users/{cloud.access().user_id}/password"
        body = {"user": {"original_password": old, "password": new}}
        cloud.raw("POST", path, service_type="identity", json=body, log=False)


def _changeable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", metavar="<domain>", help="the user's domain (name or id)")
    options.project(parser, "default project (name or id)")
    parser.add_argument("--password", metavar="<password>", help="password; others on this machine may see it")
    parser.add_argument("--password-prompt", action="store_true", help="ask for the password")
    parser.add_argument("--email", metavar="<email-address>", help="address")
    parser.add_argument("--description", metavar="<description>", help="description")


def _wanted(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    password = parsed_args.password
    if parsed_args.password_prompt:
        password = getpass.getpass("User password: ")
        if password != getpass.getpass("Repeat user password: "):
            raise CommandError("The two passwords differ; try again.")
    return options.given(
        name=parsed_args.name, password=password, email=parsed_args.email, description=parsed_args.description,
        default_project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        enabled=parsed_args.enable,
    )  # fmt: skip
