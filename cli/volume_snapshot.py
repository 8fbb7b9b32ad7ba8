"""`cumulet volume snapshot …`: volumes as they were at a moment."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource, wait
from cli.cloud import Cloud, part
from cli.fields import Dict, Field, same, show
from cli.resource import Option

_STATES = ("available", "error", "creating", "deleting", "error_deleting")
_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Description", "description"), Field("Status", "status"),
    Field("Size", "size"),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "id", "name", "size", "status", "volume_id"),
    Field("properties", "metadata", Dict),
)


class VolumeColumn(FormattableColumn):  # type: ignore[misc]
    """Its name for people, where it is known; its id for machines. The value is both."""

    def human_readable(self) -> str:
        return str(self._value[1] or self._value[0])

    def machine_readable(self) -> str:
        return str(self._value[0])


class ListSnapshots(resource.ListThings):
    """List snapshots of volumes."""

    kind = find.SNAPSHOT
    columns = _LIST
    long_columns = (
        *_LIST, Field("Created At", "created_at"),
        Field("Volume", lambda item: (item["volume_id"], item.get("volume_name")), VolumeColumn),
        Field("Properties", "metadata", Dict),
    )  # fmt: skip
    filters = (
        Option("--name", "name", "of this name"), Option("--status", "status", "in this status", choices=_STATES),
        Option("--volume", "volume_id", "of this volume (name or id)", kind=find.VOLUME),
    )  # fmt: skip

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        self._named = parsed_args.long
        return {"all_tenants": "True"} if parsed_args.all_projects or parsed_args.project else {}

    def rows(self, cloud: Cloud, found: Any) -> Any:
        """With the names of their volumes, as far as they can be seen."""
        if not self._named:
            return found
        names = {item["id"]: item["name"] for item in cloud.pages("/volumes", "volumes", "block-storage")}
        return [{**snapshot, "volume_name": names.get(snapshot["volume_id"])} for snapshot in found]


class ShowSnapshot(resource.ShowThing):
    """Show one snapshot."""

    kind = find.SNAPSHOT
    columns = _SHOW


class CreateSnapshot(ShowOne):  # type: ignore[misc]
    """Keep a volume as it is now."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<snapshot-name>", help="name of the snapshot")
        parser.add_argument("--volume", metavar="<volume>", help="volume (name or id; default: the one of that name)")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--force", action="store_true", help="without effect: attached volumes are taken as well")
        options.properties(parser)
        parser.add_argument("--wait", action="store_true", help="until it is made")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {
            "name": parsed_args.name, "volume_id": find.id_of(cloud, find.VOLUME, parsed_args.volume or parsed_args.name),
            **options.given(description=parsed_args.description, metadata=parsed_args.properties),
        }  # fmt: skip
        made = cloud.send("POST", "/snapshots", {"snapshot": wanted}, service_type="block-storage")["snapshot"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"snapshot {parsed_args.name}", made["id"])
            made = cloud.get(f"/snapshots/{made['id']}", "block-storage")["snapshot"]
        return show(_SHOW, made)


class DeleteSnapshots(resource.DeleteForcibly):
    """Delete snapshots."""

    kind = find.SNAPSHOT


class SetSnapshot(Command):  # type: ignore[misc]
    """Change a snapshot's name, description, properties or (administrators) status."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.SNAPSHOT)
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        options.properties(parser)
        parser.add_argument("--state", choices=_STATES, metavar="<state>", help="status by word only (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        snapshot = find.one(cloud, find.SNAPSHOT, parsed_args.thing)
        at = f"/snapshots/{snapshot['id']}"
        if parsed_args.no_property:
            wanted = {"metadata": parsed_args.properties or {}}
            cloud.send("PUT", f"{at}/metadata", wanted, service_type="block-storage")
        elif parsed_args.properties:
            cloud.send("POST", f"{at}/metadata", {"metadata": parsed_args.properties}, service_type="block-storage")
        if parsed_args.state:
            body = {"os-reset_status": {"status": parsed_args.state}}
            cloud.send("POST", f"{at}/action", body, service_type="block-storage")
        changes = options.given(name=parsed_args.name, description=parsed_args.description)
        resource.change(cloud, find.SNAPSHOT, snapshot, changes)


class UnsetSnapshot(Command):  # type: ignore[misc]
    """Remove properties of a snapshot."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.SNAPSHOT)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = resource.path_of(cloud, find.SNAPSHOT, parsed_args.thing)
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/metadata/{part(key)}", service_type="block-storage")
