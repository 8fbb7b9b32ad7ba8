"""`cumulet volume type …`: kinds of volumes, and what the storage does with each."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud, part
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Dict, Field, same, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Is Public", "is_public"))
_LONG = (Field("Description", "description"), Field("Properties", "extra_specs", Dict))
_SHOW = (*same("description", "id", "is_public", "name"), Field("properties", "extra_specs", Dict))
_ENCRYPTION = ("provider", "cipher", "key_size", "control_location")
#: option -> the property that it sets to "<is> True"
_WORDS = {"multiattach": "multiattach", "cacheable": "cacheable", "replicated": "replication_enabled"}


class ListTypes(Lister):  # type: ignore[misc]
    """List volume types."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="more columns")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--default", action="store_true", help="the one that volumes are of if none is named")
        which.add_argument("--public", dest="public", action="store_const", const="true", help="for all projects")
        which.add_argument("--private", dest="public", action="store_const", const="false", help="for some projects")
        parser.add_argument("--encryption-type", action="store_true", help="with how they encrypt (administrators)")
        _spec_options(parser, "with this property (may be repeated)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        columns = [*_LIST, *(_LONG if parsed_args.long else ())]
        if parsed_args.default:
            found = [cloud.get("/types/default", "block-storage")["volume_type"]]
        else:
            specs = _specs(parsed_args)
            asked: dict[str, Any] = {"is_public": parsed_args.public or ("None" if cloud.is_admin else None)}
            if specs:
                asked["extra_specs"] = str(specs)
            found = list(cloud.pages("/types", "volume_types", "block-storage", **asked))
        if parsed_args.encryption_type:
            columns.append(Field("Encryption", lambda one: _encryption(cloud, one["id"]), Dict))
        return table(columns, found)


class ShowType(ShowOne):  # type: ignore[misc]
    """Show one volume type."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME_TYPE)
        parser.add_argument("--encryption-type", action="store_true", help="with how it encrypts (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        found = find.one(cloud, find.VOLUME_TYPE, parsed_args.thing)
        columns = [*_SHOW, Field("access_project_ids", lambda one: _projects(cloud, one))]
        if parsed_args.encryption_type:
            columns.append(Field("encryption", lambda one: _encryption(cloud, one["id"]), Dict))
        return show(columns, found)


class CreateType(ShowOne):  # type: ignore[misc]
    """Create a volume type (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--public", "--private", "for all projects")
        _spec_options(parser, "property to set (may be repeated)")
        options.project(parser, "with --private: project that may use it (name or id)")
        _encryption_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        if parsed_args.project and parsed_args.public is not False:
            raise CommandError("--project goes with --private.")
        wanted = {"name": parsed_args.name} | options.given(description=parsed_args.description)
        if parsed_args.public is not None:
            wanted["os-volume-type-access:is_public"] = parsed_args.public
        made = cloud.send("POST", "/types", {"volume_type": wanted}, service_type="block-storage")["volume_type"]
        _change(cloud, made["id"], parsed_args)
        columns = list(_SHOW)
        if parsed_args.encryption_provider:
            columns.append(Field("encryption", lambda one: _encryption(cloud, one["id"]), Dict))
        return show(columns, {**made, "extra_specs": _specs(parsed_args)})


class DeleteTypes(resource.DeleteThings):
    """Delete volume types that no volume has (administrators)."""

    kind = find.VOLUME_TYPE


class SetType(Command):  # type: ignore[misc]
    """Change a volume type's name, description, properties or access (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME_TYPE)
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        _spec_options(parser, "property to set (may be repeated)")
        options.yes_no(parser, "--public", "--private", "for all projects")
        options.project(parser, "project that may use it from now on (name or id)")
        _encryption_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        found = find.one(cloud, find.VOLUME_TYPE, parsed_args.thing)
        wanted = options.given(name=parsed_args.name, description=parsed_args.description, is_public=parsed_args.public)
        resource.change(cloud, find.VOLUME_TYPE, found, wanted)
        _change(cloud, found["id"], parsed_args)


class UnsetType(Command):  # type: ignore[misc]
    """Remove properties of a volume type, or a project's access to it (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME_TYPE)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        options.project(parser, "project that may no longer use it (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = resource.path_of(cloud, find.VOLUME_TYPE, parsed_args.thing)
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/extra_specs/{part(key)}", service_type="block-storage")
        project = resource.project_id(cloud, parsed_args)
        if project:
            body = {"removeProjectAccess": {"project": project}}
            cloud.send("POST", f"{at}/action", body, service_type="block-storage")


def _spec_options(parser: argparse.ArgumentParser, what: str) -> None:
    options.properties(parser, what)
    for name in _WORDS:
        parser.add_argument(f"--{name}", action="store_true", help=f"{name}: volumes of it are")
    parser.add_argument("--availability-zone", action="append", help="only in this zone (may be repeated)")


def _specs(parsed_args: argparse.Namespace) -> dict[str, str]:
    found = dict(parsed_args.properties or {})
    found |= {key: "<is> True" for option, key in _WORDS.items() if getattr(parsed_args, option)}
    if parsed_args.availability_zone:
        found["RESKEY:availability_zones"] = ",".join(parsed_args.availability_zone)
    return found


def _encryption_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encryption-provider", metavar="<provider>", help="such as luks")
    parser.add_argument("--encryption-cipher", metavar="<cipher>", help="such as aes-xts-plain64")
    parser.add_argument("--encryption-key-size", type=int, metavar="<key-size>", help="bits")
    parser.add_argument(
        "--encryption-control-location", choices=("front-end", "back-end"), metavar="<control-location>", help="where"
    )


def _change(cloud: Cloud, type_id: str, parsed_args: argparse.Namespace) -> None:
    """Properties, access and encryption, which have calls of their own."""
    at, specs = f"/types/{part(type_id)}", _specs(parsed_args)
    if specs:
        cloud.send("POST", f"{at}/extra_specs", {"extra_specs": specs}, service_type="block-storage")
    project = resource.project_id(cloud, parsed_args)
    if project:
        cloud.send("POST", f"{at}/action", {"addProjectAccess": {"project": project}}, service_type="block-storage")
    encryption = options.given(**{name: getattr(parsed_args, f"encryption_{name}") for name in _ENCRYPTION})
    if not encryption:
        return
    there = cloud.get(f"{at}/encryption", "block-storage")
    if there:
        cloud.send(
            "PUT", f"{at}/encryption/{there['encryption_id']}", {"encryption": encryption}, service_type="block-storage"
        )
        return
    if "provider" not in encryption:
        raise CommandError("--encryption-provider is needed for a type that does not encrypt yet.")
    encryption.setdefault("control_location", "front-end")
    cloud.send("POST", f"{at}/encryption", {"encryption": encryption}, service_type="block-storage")


def _encryption(cloud: Cloud, type_id: str) -> dict[str, Any]:
    found = cloud.get(f"/types/{part(type_id)}/encryption", "block-storage")
    return {name: found[name] for name in _ENCRYPTION if name in found}


def _projects(cloud: Cloud, one: Any) -> list[str] | None:
    """Those that may use a private type, as far as one may know; None for a public one."""
    if one.get("is_public"):
        return None
    try:
        answer = cloud.get(f"/types/{part(one['id'])}/os-volume-type-access", "block-storage")
    except CloudRefusedError as err:
        if err.status in (403, 404):
            return None
        raise
    return [access["project_id"] for access in answer["volume_type_access"]]
