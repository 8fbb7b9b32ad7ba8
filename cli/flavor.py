"""`cumulet flavor …`: the sizes of servers."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CloudRefusedError
from cli.fields import Dict, Field, List, same, show, table

_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("RAM", "ram"), Field("Disk", "disk"),
    Field("Ephemeral", "OS-FLV-EXT-DATA:ephemeral"), Field("VCPUs", "vcpus"), Field("Is Public", "os-flavor-access:is_public"),
)  # fmt: skip
_LONG = (
    Field("Swap", lambda item: item.get("swap") or 0),
    Field("RXTX Factor", "rxtx_factor"),
    Field("Properties", "extra_specs", Dict),
)
_SHOW = (
    *same("OS-FLV-DISABLED:disabled", "OS-FLV-EXT-DATA:ephemeral", "description", "disk", "id", "name"),
    *same("os-flavor-access:is_public", "ram", "rxtx_factor", "vcpus"),
    Field("properties", "extra_specs", Dict), Field("swap", lambda item: item.get("swap") or 0),
)  # fmt: skip
_SHOW_ACCESS = (
    *_SHOW,
    Field("access_project_ids", "access_project_ids", lambda value: value if value is None else List(value)),
)


class ListFlavors(Lister):  # type: ignore[misc]
    """List flavors."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--public", dest="public", action="store_const", const="true", default="true", help="the public"
        )
        which.add_argument("--private", dest="public", action="store_const", const="false", help="the private")
        which.add_argument("--all", dest="public", action="store_const", const="none", help="public and private")
        parser.add_argument("--min-disk", type=int, metavar="<min-disk>", help="with at least so much disk, in GiB")
        parser.add_argument("--min-ram", type=int, metavar="<min-ram>", help="with at least so much memory, in MiB")
        parser.add_argument("--long", action="store_true", help="more columns")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        flavors = self.app.cloud().pages(
            "/flavors/detail", "flavors", "compute", is_public=parsed_args.public, minDisk=parsed_args.min_disk,
            minRam=parsed_args.min_ram, **options.page(parsed_args),
        )  # fmt: skip
        return table(_LIST + _LONG if parsed_args.long else _LIST, flavors)


class ShowFlavor(ShowOne):  # type: ignore[misc]
    """Show one flavor."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("flavor", metavar="<flavor>", help="flavor (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        flavor = find.one(cloud, find.FLAVOR, parsed_args.flavor)
        return show(_SHOW_ACCESS, {**flavor, "access_project_ids": _projects(cloud, flavor)})


class CreateFlavor(ShowOne):  # type: ignore[misc]
    """Create a flavor (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<flavor-name>", help="name")
        parser.add_argument("--id", metavar="<id>", help="id; made up where none is given")
        for name, unit, default in (
            ("ram", "MiB", 256),
            ("disk", "GiB", 0),
            ("ephemeral", "GiB", 0),
            ("swap", "MiB", 0),
        ):
            parser.add_argument(
                f"--{name}", type=int, default=default, metavar=f"<{unit}>", help=f"{name} in {unit} ({default})"
            )
        parser.add_argument("--vcpus", type=int, default=1, metavar="<vcpus>", help="virtual CPUs (1)")
        parser.add_argument("--rxtx-factor", type=float, metavar="<factor>", help="kept, without effect")
        options.yes_no(parser, "--public", "--private", "for all projects", default=True)
        options.properties(parser)
        options.project(parser, "project that may use a private flavor (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, id=parsed_args.id, ram=parsed_args.ram, disk=parsed_args.disk, swap=parsed_args.swap,
            vcpus=parsed_args.vcpus, rxtx_factor=parsed_args.rxtx_factor, description=parsed_args.description,
        )  # fmt: skip
        wanted |= {"OS-FLV-EXT-DATA:ephemeral": parsed_args.ephemeral, "os-flavor-access:is_public": parsed_args.public}
        flavor = cloud.send("POST", "/flavors", {"flavor": wanted}, service_type="compute")["flavor"]
        _change(cloud, flavor, parsed_args)
        return show(_SHOW, {**flavor, "extra_specs": parsed_args.properties or {}})


class DeleteFlavors(Command):  # type: ignore[misc]
    """Delete flavors (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "flavor")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/flavors/{part(find.one(cloud, find.FLAVOR, name)['id'])}", service_type="compute")

        options.each(parsed_args.names, "flavors could not be deleted", delete)


class SetFlavor(Command):  # type: ignore[misc]
    """Change a flavor's properties, description or access (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("flavor", metavar="<flavor>", help="flavor (name or id)")
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        options.properties(parser)
        options.project(parser, "project that may use it from now on (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        flavor = find.one(cloud, find.FLAVOR, parsed_args.flavor)
        at = f"/flavors/{part(flavor['id'])}"
        if parsed_args.description is not None:
            cloud.send("PUT", at, {"flavor": {"description": parsed_args.description}}, service_type="compute")
        for key in flavor.get("extra_specs", {}) if parsed_args.no_property else ():
            cloud.send("DELETE", f"{at}/os-extra_specs/{part(key)}", service_type="compute")
        _change(cloud, flavor, parsed_args)


class UnsetFlavor(Command):  # type: ignore[misc]
    """Remove properties of a flavor, or a project's access to it (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("flavor", metavar="<flavor>", help="flavor (name or id)")
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        options.project(parser, "project that may no longer use it (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        at = f"/flavors/{part(find.one(cloud, find.FLAVOR, parsed_args.flavor)['id'])}"
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/os-extra_specs/{part(key)}", service_type="compute")
        if parsed_args.project:
            tenant = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
            cloud.send("POST", f"{at}/action", {"removeTenantAccess": {"tenant": tenant}}, service_type="compute")


def _change(cloud: Cloud, flavor: dict[str, Any], parsed_args: argparse.Namespace) -> None:
    """Properties and access, which have calls of their own."""
    at = f"/flavors/{part(flavor['id'])}"
    if parsed_args.properties:
        cloud.send("POST", f"{at}/os-extra_specs", {"extra_specs": parsed_args.properties}, service_type="compute")
    if parsed_args.project:
        tenant = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        cloud.send("POST", f"{at}/action", {"addTenantAccess": {"tenant": tenant}}, service_type="compute")


def _projects(cloud: Cloud, flavor: dict[str, Any]) -> list[str] | None:
    """Those that may use a private flavor, as far as one may know; None for a public one."""
    if flavor.get("os-flavor-access:is_public"):
        return None
    try:
        answer = cloud.get(f"/flavors/{part(flavor['id'])}/os-flavor-access", "compute")
    except CloudRefusedError as err:
        if err.status in (403, 404):
            return None
        raise
    return [access["tenant_id"] for access in answer["flavor_access"]]
