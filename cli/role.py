"""`cumulet role …`: what users may do, and who has it where."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Field, Item, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"))
_SHOW = same("description", "domain_id", "id", "name")


class ListRoles(Lister):  # type: ignore[misc]
    """List roles."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--domain", metavar="<domain>", help="of this domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        return table(
            _LIST, cloud.pages("/roles", "roles", "identity", domain_id=find.domain_id(cloud, parsed_args.domain))
        )


class ShowRole(ShowOne):  # type: ignore[misc]
    """Show one role."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("role", metavar="<role>", help="role (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SHOW, find.one(self.app.cloud(), find.ROLE, parsed_args.role))


class CreateRole(ShowOne):  # type: ignore[misc]
    """Create a role."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<role-name>", help="name")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        parser.add_argument("--or-show", action="store_true", help="show it where it is there already")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, description=parsed_args.description,
            domain_id=find.domain_id(cloud, parsed_args.domain),
        )  # fmt: skip
        try:
            made = cloud.send("POST", "/roles", {"role": wanted}, service_type="identity")["role"]
        except CloudRefusedError as err:
            if err.status != 409 or not parsed_args.or_show:
                raise
            made = find.one(cloud, find.ROLE, parsed_args.name)
        return show(_SHOW, made)


class DeleteRoles(Command):  # type: ignore[misc]
    """Delete roles."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "role")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/roles/{find.id_of(cloud, find.ROLE, name)}", service_type="identity")

        options.each(parsed_args.names, "roles could not be deleted", delete)


class SetRole(Command):  # type: ignore[misc]
    """Change a role's name or description (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("role", metavar="<role>", help="role (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        role = find.one(cloud, find.ROLE, parsed_args.role, domain_id=find.domain_id(cloud, parsed_args.domain))
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        if wanted:
            cloud.send("PATCH", f"/roles/{role['id']}", {"role": wanted}, service_type="identity")


class ListImplied(Lister):  # type: ignore[misc]
    """List which role brings which other along."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        inferences = self.app.cloud().get("/role_inferences", "identity")["role_inferences"]
        columns = ("Prior Role ID", "Prior Role Name", "Implied Role ID", "Implied Role Name")
        pairs = [(one["prior_role"], implied) for one in inferences for implied in one["implies"]]
        return columns, [(prior["id"], prior["name"], implied["id"], implied["name"]) for prior, implied in pairs]


class AddRole(Command):  # type: ignore[misc]
    """Give a user or a group a role in a project, a domain or the system."""

    method = "PUT"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("role", metavar="<role>", help="role (name or id)")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--system", metavar="<system>", help="`all`: the system")
        where.add_argument("--domain", metavar="<domain>", help="domain (name or id)")
        where.add_argument("--project", metavar="<project>", help="project (name or id)")
        parser.add_argument("--project-domain", metavar="<project-domain>", help="domain of that project")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", metavar="<user>", help="user (name or id)")
        who.add_argument("--group", metavar="<group>", help="group of users (name or id)")
        parser.add_argument("--user-domain", metavar="<user-domain>", help="domain of that user")
        parser.add_argument("--group-domain", metavar="<group-domain>", help="domain of that group")
        parser.add_argument("--inherited", action="store_true", help="in all projects of the domain, not in itself")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        who = f"users/{find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)}"
        if parsed_args.group:
            domain_id = find.domain_id(cloud, parsed_args.group_domain)
            who = f"groups/{find.id_of(cloud, find.USER_GROUP, parsed_args.group, domain_id=domain_id)}"
        where = _where(cloud, parsed_args)
        path = f"{where}/{who}/roles/{find.id_of(cloud, find.ROLE, parsed_args.role)}"
        if parsed_args.inherited:
            if not parsed_args.domain:
                raise CommandError("--inherited goes with --domain.")
            path = f"/OS-INHERIT{path}/inherited_to_projects"
        cloud.send(self.method, path, service_type="identity")


class RemoveRole(AddRole):
    """Take a role from a user or a group."""

    method = "DELETE"


class ListAssignments(Lister):  # type: ignore[misc]
    """List who has which role where."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--effective", action="store_true", default=None, help="what they come to")
        parser.add_argument("--role", metavar="<role>", help="of this role (name or id)")
        parser.add_argument("--names", action="store_true", help="names instead of ids")
        options.user(parser, "of this user (name or id)")
        parser.add_argument("--group", metavar="<group>", help="of this group (name or id)")
        parser.add_argument("--group-domain", metavar="<group-domain>", help="domain of that group")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--domain", metavar="<domain>", help="in this domain (name or id)")
        where.add_argument("--project", metavar="<project>", help="in this project (name or id)")
        where.add_argument("--system", metavar="<system>", help="`all`: on the system")
        parser.add_argument("--project-domain", metavar="<project-domain>", help="domain of that project")
        parser.add_argument("--inherited", action="store_true", help="that are inherited")
        parser.add_argument("--auth-user", action="store_true", help="of yourself")
        parser.add_argument("--auth-project", action="store_true", help="in the project that you work in")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        user_id = find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain)
        project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        query = {
            "role.id": find.id_of(cloud, find.ROLE, parsed_args.role),
            "user.id": cloud.access().user_id if parsed_args.auth_user else user_id,
            "group.id": find.id_of(
                cloud, find.USER_GROUP, parsed_args.group, domain_id=find.domain_id(cloud, parsed_args.group_domain)
            ),
            "scope.project.id": cloud.project_id if parsed_args.auth_project else project_id,
            "scope.domain.id": find.domain_id(cloud, parsed_args.domain), "scope.system": parsed_args.system,
            "effective": parsed_args.effective, "include_names": parsed_args.names or None,
            "scope.OS-INHERIT:inherited_to": "projects" if parsed_args.inherited else None,
        }  # fmt: skip
        found = cloud.pages("/role_assignments", "role_assignments", "identity", **query)
        return table(_NAMES if parsed_args.names else _IDS, found)


def _where(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    if parsed_args.system:
        return "/system"
    if parsed_args.domain:
        return f"/domains/{find.domain_id(cloud, parsed_args.domain)}"
    return f"/projects/{find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)}"


def _named(thing: Item, *, names: bool) -> str:
    if not thing:
        return ""
    if not names:
        return str(thing["id"])
    domain = thing.get("domain")
    return f"{thing['name']}@{domain['name']}" if domain else str(thing["name"])


def _columns(*, names: bool) -> tuple[Field, ...]:
    def scope(item: Item, what: str) -> Item:
        return dict(item["scope"].get(what) or {})

    return (
        Field("Role", lambda item: _named(item["role"], names=names)),
        Field("User", lambda item: _named(item.get("user") or {}, names=names)),
        Field("Group", lambda item: _named(item.get("group") or {}, names=names)),
        Field("Project", lambda item: _named(scope(item, "project"), names=names)),
        Field("Domain", lambda item: _named(scope(item, "domain"), names=names)),
        Field("System", lambda item: "all" if item["scope"].get("system") else ""),
        Field("Inherited", lambda item: item["scope"].get("OS-INHERIT:inherited_to") == "projects"),
    )


_IDS, _NAMES = _columns(names=False), _columns(names=True)
