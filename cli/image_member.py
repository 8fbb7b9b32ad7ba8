"""`cumulet image add project …`: who an image is shared with."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find
from cli.cloud import Cloud, part
from cli.fields import Field, table

_MEMBERS = (Field("Image ID", "image_id"), Field("Member ID", "member_id"), Field("Status", "status"))
_SHOWN = ("created_at", "image_id", "member_id", "schema", "status", "updated_at")


def _parser(parser: argparse.ArgumentParser, project: bool = True) -> argparse.ArgumentParser:
    parser.add_argument("image", metavar="<image>", help="image (name or id)")
    if project:
        parser.add_argument("project", metavar="<project>", help="project (name or id)")
    parser.add_argument("--project-domain", metavar="<project-domain>", help="domain of that project")
    return parser


def _at(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    image = find.one(cloud, find.IMAGE, parsed_args.image)
    return f"/images/{part(image['id'])}/members"


def _project(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    return str(find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain))


class AddProject(ShowOne):  # type: ignore[misc]
    """Share an image with a project, which may accept it with `image set --accept`."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        body = {"member": _project(cloud, parsed_args)}
        member = cloud.send("POST", _at(cloud, parsed_args), body, service_type="image")
        return _SHOWN, tuple(member.get(name) for name in _SHOWN)


class RemoveProject(Command):  # type: ignore[misc]
    """Share an image with a project no longer."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"{_at(cloud, parsed_args)}/{part(_project(cloud, parsed_args))}"
        cloud.send("DELETE", path, service_type="image")


class ListMembers(Lister):  # type: ignore[misc]
    """List the projects that an image is shared with."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name), project=False)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        return table(_MEMBERS, cloud.get(_at(cloud, parsed_args), "image")["members"])


class GetMember(ShowOne):  # type: ignore[misc]
    """Show one project that an image is shared with."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        parser.add_argument("member", metavar="<project>", help="project (name or id)")
        parser.add_argument("--project-domain", metavar="<project-domain>", help="domain of that project")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        parsed_args.project = parsed_args.member
        member = cloud.get(f"{_at(cloud, parsed_args)}/{part(_project(cloud, parsed_args))}", "image")
        return _SHOWN, tuple(member.get(name) for name in _SHOWN)
