"""`cumulet volume backup …`: copies of volumes that lie apart from them."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource, wait
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Field, same, show
from cli.resource import Option
from cli.volume_snapshot import VolumeColumn

_STATES = ("creating", "available", "deleting", "error", "restoring", "error_restoring")
_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Description", "description"), Field("Status", "status"),
    Field("Size", "size"), Field("Incremental", "is_incremental"), Field("Created At", "created_at"),
)  # fmt: skip
_SHOW = (
    *same("availability_zone", "container", "created_at", "data_timestamp", "description", "encryption_key_id"),
    *same("fail_reason", "has_dependent_backups", "id", "is_incremental", "metadata", "name", "object_count", "size"),
    *same("snapshot_id", "status", "updated_at", "user_id", "volume_id"),
    Field("project_id", "os-backup-project-attr:project_id"),
)  # fmt: skip


class ListBackups(resource.ListThings):
    """List backups of volumes."""

    kind = find.BACKUP
    columns = _LIST
    long_columns = (
        *_LIST, Field("Availability Zone", "availability_zone"),
        Field("Volume", lambda item: (item["volume_id"], item.get("volume_name")), VolumeColumn), Field("Container", "container"),
    )  # fmt: skip
    filters = (
        Option("--name", "name", "of this name"), Option("--status", "status", "in this status", choices=_STATES),
        Option("--volume", "volume_id", "of this volume (name or id)", kind=find.VOLUME),
    )  # fmt: skip
    of_project = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--project", metavar="<project>", help="of this project (name or id; administrators)")
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        everybody = {"all_tenants": "True"} if parsed_args.all_projects or parsed_args.project else {}
        return everybody | options.given(project_id=find.identity_id(cloud, find.PROJECT, parsed_args.project))

    def rows(self, cloud: Cloud, found: Any) -> Any:
        """With the names of their volumes, as far as they can be seen."""
        names = {item["id"]: item["name"] for item in cloud.pages("/volumes", "volumes", "block-storage")}
        return [{**backup, "volume_name": names.get(backup["volume_id"])} for backup in found]


class ShowBackup(resource.ShowThing):
    """Show one backup."""

    kind = find.BACKUP
    columns = _SHOW


class CreateBackup(ShowOne):  # type: ignore[misc]
    """Copy a volume, or a snapshot of it, to where backups are kept."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        parser.add_argument("--name", metavar="<name>", help="name of the backup")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--container", metavar="<container>", help="where in the store")
        parser.add_argument("--snapshot", metavar="<snapshot>", help="of this snapshot of the volume (name or id)")
        parser.add_argument("--force", action="store_true", help="also if a server has the volume")
        options.yes_no(parser, "--incremental", "--no-incremental", "only what has changed since the last one")
        options.properties(parser)
        parser.add_argument("--availability-zone", metavar="<zone-name>", help="zone")
        parser.add_argument("--wait", action="store_true", help="until it is made")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            volume_id=find.id_of(cloud, find.VOLUME, parsed_args.volume), name=parsed_args.name,
            description=parsed_args.description, container=parsed_args.container, force=parsed_args.force or None,
            incremental=parsed_args.incremental, metadata=parsed_args.properties,
            snapshot_id=find.id_of(cloud, find.SNAPSHOT, parsed_args.snapshot),
            availability_zone=parsed_args.availability_zone,
        )  # fmt: skip
        made = cloud.send("POST", "/backups", {"backup": wanted}, service_type="block-storage")["backup"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"backup {parsed_args.name or made['id']}", made["id"])
        return show(same("id", "name", "volume_id"), {"volume_id": wanted["volume_id"], **made})


class RestoreBackup(ShowOne):  # type: ignore[misc]
    """Put a backup into a new volume, or into one that there is."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.BACKUP)
        parser.add_argument(
            "volume", nargs="?", metavar="<volume>", help="volume (name or id), or the name of a new one"
        )
        parser.add_argument("--force", action="store_true", help="into the volume that there is, whatever is in it")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        backup = find.one(cloud, find.BACKUP, parsed_args.thing)
        wanted: dict[str, Any] = {}
        if parsed_args.volume:
            try:
                wanted["volume_id"] = find.one(cloud, find.VOLUME, parsed_args.volume)["id"]
            except CommandError:
                wanted["name"] = parsed_args.volume
        if "volume_id" in wanted and not parsed_args.force:
            raise CommandError(f"Volume {parsed_args.volume} is there: --force writes the backup over what is in it.")
        path = f"/backups/{backup['id']}/restore"
        made = cloud.send("POST", path, {"restore": wanted}, service_type="block-storage")["restore"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"volume {made['volume_id']}", made["volume_id"])
        return show((Field("id", "backup_id"), *same("volume_id", "volume_name")), made)


class SetBackup(Command):  # type: ignore[misc]
    """Change a backup's name, description, properties or (administrators) status."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.BACKUP)
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        options.properties(parser)
        parser.add_argument("--state", choices=("available", "error"), metavar="<state>", help="status by word only")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        backup = find.one(cloud, find.BACKUP, parsed_args.thing)
        if parsed_args.state:
            body = {"os-reset_status": {"status": parsed_args.state}}
            cloud.send("POST", f"/backups/{backup['id']}/action", body, service_type="block-storage")
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        if parsed_args.properties or parsed_args.no_property:
            kept = {} if parsed_args.no_property else backup.get("metadata") or {}
            wanted["metadata"] = {**kept, **(parsed_args.properties or {})}
        resource.change(cloud, find.BACKUP, backup, wanted)


class UnsetBackup(Command):  # type: ignore[misc]
    """Remove properties of a backup."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.BACKUP)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        backup = find.one(cloud, find.BACKUP, parsed_args.thing)
        left = {key: value for key, value in (backup.get("metadata") or {}).items() if key not in parsed_args.property}
        resource.change(cloud, find.BACKUP, backup, {"metadata": left})


class DeleteBackups(resource.DeleteForcibly):
    """Delete backups."""

    kind = find.BACKUP
