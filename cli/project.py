"""`cumulet project …`: what owns servers, images and networks."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CloudRefusedError
from cli.fields import Field, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"))
_LONG = (Field("Domain ID", "domain_id"), Field("Description", "description"), Field("Enabled", "enabled"))
_TAGS = ("--tags", "--tags-any", "--not-tags", "--not-tags-any")
_SHOW = same("description", "domain_id", "enabled", "id", "is_domain", "name", "options", "parent_id", "tags")


class ListProjects(Lister):  # type: ignore[misc]
    """List projects: all of them for administrators, else --my-projects."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--domain", metavar="<domain>", help="of this domain (name or id)")
        parser.add_argument("--user", metavar="<user>", help="that this user has a role in (name or id)")
        parser.add_argument("--my-projects", action="store_true", help="that you have a role in")
        parser.add_argument("--long", action="store_true", help="more columns")
        options.yes_no(parser, "--enabled", "--disabled", "enabled")
        for name in _TAGS:
            parser.add_argument(
                name, type=options.words, metavar="<tag>[,<tag>,...]", help=f"by tags: {name.strip('-')}"
            )
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = "/projects"
        if parsed_args.my_projects:
            path = "/auth/projects"
        elif parsed_args.user:
            path = f"/users/{find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.domain)}/projects"
        found = cloud.pages(
            path, "projects", "identity", domain_id=find.domain_id(cloud, parsed_args.domain),
            enabled=parsed_args.enabled, **_by_tags(parsed_args), **options.page(parsed_args),
        )  # fmt: skip
        return table(_LIST + _LONG if parsed_args.long else _LIST, found)


def _by_tags(parsed_args: argparse.Namespace) -> dict[str, Any]:
    asked = {name.strip("-"): getattr(parsed_args, name.strip("-").replace("-", "_")) for name in _TAGS}
    return {key: ",".join(words) for key, words in asked.items() if words}


class ShowProject(ShowOne):  # type: ignore[misc]
    """Show one project."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="<project>", help="project (name or id)")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.domain)
        return show(_SHOW, cloud.get(f"/projects/{project_id}", "identity")["project"])


class CreateProject(ShowOne):  # type: ignore[misc]
    """Create a project (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<project-name>", help="name")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--enable", "--disable", "enabled", default=True)
        options.properties(parser)
        parser.add_argument("--or-show", action="store_true", help="show it where it is there already")
        parser.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag (may be repeated)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        domain_id = find.domain_id(cloud, parsed_args.domain)
        wanted = options.given(
            name=parsed_args.name, domain_id=domain_id, enabled=parsed_args.enable, tags=parsed_args.tags,
            description=parsed_args.description, **(parsed_args.properties or {}),
        )  # fmt: skip
        try:
            made = cloud.send("POST", "/projects", {"project": wanted}, service_type="identity")["project"]
        except CloudRefusedError as err:
            if err.status != 409 or not parsed_args.or_show:
                raise
            made = find.one(cloud, find.PROJECT, parsed_args.name, domain_id=domain_id)
        return show(_SHOW, made)


class DeleteProjects(Command):  # type: ignore[misc]
    """Delete projects (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "project")
        parser.add_argument("--domain", metavar="<domain>", help="their domain (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            project_id = find.id_of(cloud, find.PROJECT, name, domain_id=find.domain_id(cloud, parsed_args.domain))
            cloud.send("DELETE", f"/projects/{project_id}", service_type="identity")

        options.each(parsed_args.names, "projects could not be deleted", delete)


class SetProject(Command):  # type: ignore[misc]
    """Change a project (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="<project>", help="project (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--domain", metavar="<domain>", help="its domain (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--enable", "--disable", "enabled")
        options.properties(parser)
        parser.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag to add (may be repeated)")
        parser.add_argument("--clear-tags", action="store_true", help="remove all tags first")
        parser.add_argument(
            "--remove-tag", action="append", dest="gone_tags", metavar="<tag>", help="tag to remove (may be repeated)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.domain)
        wanted = options.given(
            name=parsed_args.name, description=parsed_args.description, enabled=parsed_args.enable,
            **(parsed_args.properties or {}),
        )  # fmt: skip
        if parsed_args.tags or parsed_args.clear_tags or parsed_args.gone_tags:
            there = [] if parsed_args.clear_tags else cloud.get(f"/projects/{project_id}/tags", "identity")["tags"]
            kept = set(there) - set(parsed_args.gone_tags or ()) | set(parsed_args.tags or ())
            cloud.send("PUT", f"/projects/{project_id}/tags", {"tags": sorted(kept)}, service_type="identity")
        if wanted:
            cloud.send("PATCH", f"/projects/{project_id}", {"project": wanted}, service_type="identity")
