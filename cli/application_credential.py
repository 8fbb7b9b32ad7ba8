"""`cumulet application credential …` and `access rule …`: logins for programs, with part of what a user may do."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dicts, Field, table

_COLUMNS = (
    Field("ID", "id"), Field("Name", "name"), Field("Description", "description"), Field("Project ID", "project_id"),
    Field("Roles", "roles", Dicts), Field("Unrestricted", "unrestricted"),
    Field("Access Rules", "access_rules", lambda rules: None if rules is None else Dicts(rules)),
    Field("Expires At", "expires_at"),
)  # fmt: skip
_RULES = (Field("ID", "id"), Field("Service", "service"), Field("Method", "method"), Field("Path", "path"))


class ListCredentials(Lister):  # type: ignore[misc]
    """List your application credentials."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.user(parser, "of this user (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = f"{_user(cloud, parsed_args)}/application_credentials"
        return table(_COLUMNS, cloud.pages(path, "application_credentials", "identity"))


class ShowCredential(ShowOne):  # type: ignore[misc]
    """Show one application credential."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("credential", metavar="<application-credential>", help="name or id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = _one(self.app.cloud(), parsed_args.credential)
        return tuple(field.title for field in _COLUMNS), tuple(field.value(found) for field in _COLUMNS)


class CreateCredential(ShowOne):  # type: ignore[misc]
    """Make a login for a program, in the project that you work in; its secret is shown once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--secret", metavar="<secret>", help="secret (default: made up)")
        parser.add_argument(
            "--role",
            action="append",
            dest="roles",
            metavar="<role>",
            help="role of yours (default: all; may be repeated)",
        )
        parser.add_argument("--expiration", metavar="<expiration>", help="until when, as 2030-01-31T12:00:00")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--unrestricted", "--restricted", "it may make others like it")
        parser.add_argument(
            "--access-rules", metavar="<access-rules>", help="what it may ask, as JSON, or a file of it"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, secret=parsed_args.secret, expires_at=parsed_args.expiration,
            description=parsed_args.description, unrestricted=parsed_args.unrestricted,
            roles=[_role(name) for name in parsed_args.roles] if parsed_args.roles else None,
            access_rules=_rules(parsed_args.access_rules),
        )  # fmt: skip
        path = f"/users/{cloud.access().user_id}/application_credentials"
        made = cloud.post(path, {"application_credential": wanted}, "identity")["application_credential"]
        columns = (*_COLUMNS, Field("Secret", "secret"))
        return tuple(field.title for field in columns), tuple(field.value(made) for field in columns)


class DeleteCredentials(Command):  # type: ignore[misc]
    """Delete application credentials; what logged in by them is out at once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "application-credential")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"/users/{cloud.access().user_id}/application_credentials"

        def delete(name: str) -> None:
            cloud.send("DELETE", f"{path}/{_one(cloud, name)['id']}", service_type="identity")

        options.each(parsed_args.names, "application credentials could not be deleted", delete)


class ListRules(Lister):  # type: ignore[misc]
    """List the access rules of your application credentials."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.user(parser, "of this user (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = f"{_user(cloud, parsed_args)}/access_rules"
        return table(_RULES, cloud.pages(path, "access_rules", "identity"))


class DeleteRules(Command):  # type: ignore[misc]
    """Delete access rules that no application credential has any more."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("rules", nargs="+", metavar="<access-rule>", help="id of an access rule")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"/users/{cloud.access().user_id}/access_rules"

        def delete(rule_id: str) -> None:
            cloud.send("DELETE", f"{path}/{part(rule_id)}", service_type="identity")

        options.each(parsed_args.rules, "access rules could not be deleted", delete)


def _user(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    asked = find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)
    return f"/users/{asked or cloud.access().user_id}"


def _one(cloud: Cloud, name_or_id: str) -> dict[str, Any]:
    """Raises CommandError."""
    path = f"/users/{cloud.access().user_id}/application_credentials"
    for found in cloud.pages(path, "application_credentials", "identity"):
        if name_or_id in (found["id"], found["name"]):
            return found
    raise CommandError(
        f"You have no application credential {name_or_id!r}; `cumulet application credential list` shows those you have."
    )


def _role(name: str) -> dict[str, str]:
    from common.ids import is_uuid

    return {"id": name} if is_uuid(name) else {"name": name}


def _rules(text: str | None) -> Any:
    """Raises CommandError for what is neither JSON nor a file of it."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        with open(os.path.expanduser(text)) as file:
            return json.load(file)
    except (OSError, ValueError) as err:
        raise CommandError(f"--access-rules takes a list of rules as JSON, or a file that holds one: {err}") from err
