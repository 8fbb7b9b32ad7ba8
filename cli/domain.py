"""`cumulet domain …` and `cumulet region …`: what projects and users, and what endpoints, are divided into."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne

from cli import find, resource
from cli.cloud import Cloud
from cli.errors import CloudRefusedError
from cli.fields import Field, same, show
from cli.resource import Option

_SHOW = same("description", "enabled", "id", "name", "options")
_REGION = (Field("region", "id"), Field("description", "description"), Field("parent_region", "parent_region_id"))
_CHANGEABLE = (
    Option("--description", "description", "description"), Option("--enable", "enabled", "enabled", no="--disable"),
)  # fmt: skip
_OF_REGION = (
    Option("--parent-region", "parent_region_id", "region that it is part of", metavar="<region-id>"),
    Option("--description", "description", "description"),
)


class ListDomains(resource.ListThings):
    """List domains (administrators)."""

    kind = find.DOMAIN
    columns = (
        Field("ID", "id"), Field("Name", "name"), Field("Enabled", "enabled"), Field("Description", "description"),
    )  # fmt: skip
    filters = (Option("--name", "name", "of this name"),)
    of_project = paged = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--enabled", action="store_true", help="those that are enabled")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"enabled": True} if parsed_args.enabled else {}


class ShowDomain(resource.ShowThing):
    """Show one domain."""

    kind = find.DOMAIN
    columns = _SHOW


class CreateDomain(ShowOne):  # type: ignore[misc]
    """Create a domain (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<domain-name>", help="name")
        resource.add(parser, _CHANGEABLE)
        parser.add_argument("--or-show", action="store_true", help="show it where it is there already")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {"name": parsed_args.name, **resource.values(cloud, parsed_args, _CHANGEABLE)}
        try:
            made = cloud.send("POST", "/domains", {"domain": wanted}, service_type="identity")["domain"]
        except CloudRefusedError as err:
            if err.status != 409 or not parsed_args.or_show:
                raise
            made = find.one(cloud, find.DOMAIN, parsed_args.name)
        return show(_SHOW, made)


class SetDomain(resource.SetThing):
    """Change a domain (administrators)."""

    kind = find.DOMAIN
    body = _CHANGEABLE


class DeleteDomains(resource.DeleteThings):
    """Delete domains that are disabled, with all that is in them (administrators)."""

    kind = find.DOMAIN


class ListRegions(resource.ListThings):
    """List regions."""

    kind = find.REGION
    columns = (Field("Region", "id"), Field("Parent Region", "parent_region_id"), Field("Description", "description"))
    filters = (_OF_REGION[0],)
    of_project = paged = False


class ShowRegion(resource.ShowThing):
    """Show one region."""

    kind = find.REGION
    columns = _REGION


class CreateRegion(ShowOne):  # type: ignore[misc]
    """Create a region (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("region", metavar="<region-id>", help="id")
        resource.add(parser, _OF_REGION)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {"id": parsed_args.region, **resource.values(cloud, parsed_args, _OF_REGION)}
        return show(_REGION, cloud.send("POST", "/regions", {"region": wanted}, service_type="identity")["region"])


class SetRegion(resource.SetThing):
    """Change a region (administrators)."""

    kind = find.REGION
    body = _OF_REGION
    renamed = False


class DeleteRegions(resource.DeleteThings):
    """Delete regions that no endpoint is in (administrators)."""

    kind = find.REGION
