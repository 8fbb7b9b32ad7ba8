"""`cumulet volume …`: disks that outlive the servers they are attached to."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource, wait
from cli.cloud import Cloud
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Dict, Field, same, show
from cli.resource import Option

STATES = (
    "available", "error", "creating", "deleting", "in-use", "attaching", "detaching", "error_deleting", "maintenance",
)  # fmt: skip


def _bootable(volume: Any) -> bool:
    return str(volume.get("bootable")).lower() == "true"


_SHOW = (
    *same("attachments", "availability_zone", "backup_id", "cluster_name", "consumes_quota", "created_at", "description"),
    *same("encrypted", "group_id", "id", "multiattach", "name", "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat"),
    *same("os-vol-mig-status-attr:name_id", "os-vol-tenant-attr:tenant_id", "provider_id", "replication_status"),
    *same("service_uuid", "shared_targets", "size", "snapshot_id", "source_volid", "status", "updated_at", "user_id"),
    *same("volume_type_id"), Field("bootable", _bootable),
    Field("properties", "metadata", Dict), Field("type", "volume_type"),
)  # fmt: skip
#: shown only of volumes that have them
_RARE = ("consistencygroup_id", "encryption_key_id", "volume_image_metadata")


class _Attached(FormattableColumn):  # type: ignore[misc]
    """Attached to web on /dev/vdb"""

    def human_readable(self) -> str:
        return "".join(
            f"Attached to {one.get('server_name') or one['server_id']} on {one['device']} " for one in self._value or ()
        )

    def machine_readable(self) -> list[dict[str, Any]]:
        return [{key: value for key, value in one.items() if key != "server_name"} for one in self._value or ()]


_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Status", "status"), Field("Size", "size"))
_ATTACHED = Field("Attached to", "attachments", _Attached)


class ListVolumes(resource.ListThings):
    """List volumes."""

    kind = find.VOLUME
    columns = (*_LIST, _ATTACHED)
    long_columns = (
        *_LIST, Field("Type", "volume_type"), Field("Bootable", _bootable), _ATTACHED,
        Field("Properties", "metadata", Dict),
    )  # fmt: skip
    max_items = False
    filters = (
        Option("--name", "name", "of this name"),
        Option("--status", "status", "in this status, such as available"),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        options.user(parser, "of this user (name or id; administrators)")
        options.properties(parser, "with this property (may be repeated)")
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        everybody = parsed_args.all_projects or parsed_args.project
        return options.given(
            user_id=find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain),
            metadata=str(parsed_args.properties) if parsed_args.properties else None,
            all_tenants="True" if everybody else None,
        )

    def rows(self, cloud: Cloud, found: Any) -> Any:
        volumes = list(found)
        names = _server_names(cloud) if any(volume["attachments"] for volume in volumes) else {}
        return [
            {**volume, "attachments": [{**one, "server_name": names.get(one["server_id"])} for one in volume["attachments"]]}
            for volume in volumes
        ]  # fmt: skip


class ShowVolume(ShowOne):  # type: ignore[misc]
    """Show one volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return shown(find.one(self.app.cloud(), find.VOLUME, parsed_args.thing))


class CreateVolume(ShowOne):  # type: ignore[misc]
    """Make a volume: empty, or of an image, a snapshot or another volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", nargs="?", metavar="<name>", help="name")
        parser.add_argument("--size", type=options.count, metavar="<size>", help="GiB; that of the source if left out")
        parser.add_argument("--type", metavar="<volume-type>", help="volume type (name or id)")
        of = parser.add_mutually_exclusive_group()
        of.add_argument("--image", metavar="<image>", help="with the data of this image (name or id)")
        of.add_argument("--snapshot", metavar="<snapshot>", help="with the data of this snapshot (name or id)")
        of.add_argument("--source", metavar="<volume>", help="with the data of this volume (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--availability-zone", metavar="<availability-zone>", help="availability zone")
        options.properties(parser)
        parser.add_argument(
            "--hint", action=options.KeyValue, metavar="<key=value>", help="hint for the scheduler (may be repeated)"
        )
        options.yes_no(parser, "--bootable", "--non-bootable", "servers may boot from it; waits until it is made")
        options.yes_no(parser, "--read-only", "--read-write", "servers may only read it; waits until it is made")
        parser.add_argument("--wait", action="store_true", help="until it is made")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.size is None and not (parsed_args.snapshot or parsed_args.source):
            raise CommandError("Say how many GiB with --size; only --snapshot and --source bring a size along.")
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, size=parsed_args.size, volume_type=parsed_args.type,
            description=parsed_args.description, availability_zone=parsed_args.availability_zone,
            metadata=parsed_args.properties, imageRef=find.id_of(cloud, find.IMAGE, parsed_args.image),
            snapshot_id=find.id_of(cloud, find.SNAPSHOT, parsed_args.snapshot),
            source_volid=find.id_of(cloud, find.VOLUME, parsed_args.source),
        )  # fmt: skip
        body = {"volume": wanted} | ({"OS-SCH-HNT:scheduler_hints": parsed_args.hint} if parsed_args.hint else {})
        made = cloud.send("POST", "/volumes", body, service_type="block-storage")["volume"]
        at = f"/volumes/{made['id']}"
        changes = use_of(parsed_args)
        if not parsed_args.wait and not changes:
            return shown(made)
        wait.for_operation(cloud, self.app.stderr, f"volume {parsed_args.name or made['id']}", made["id"])
        for name, value in changes:
            cloud.send("POST", f"{at}/action", {name: value}, service_type="block-storage")
        return shown(cloud.get(at, "block-storage")["volume"])


class DeleteVolumes(Command):  # type: ignore[misc]
    """Delete volumes."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "volume")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--force", action="store_true", help="whatever state they are in (administrators)")
        how.add_argument("--cascade", action="store_true", help="with their snapshots")
        parser.add_argument("--wait", action="store_true", help="until they are gone")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def delete(name: str) -> None:
            volume_id = find.one(cloud, find.VOLUME, name)["id"]
            at = f"/volumes/{volume_id}"
            if parsed_args.force:
                cloud.send("POST", f"{at}/action", {"os-force_delete": {}}, service_type="block-storage")
            else:
                cascade = "true" if parsed_args.cascade else None
                cloud.send("DELETE", at, service_type="block-storage", cascade=cascade)
            if parsed_args.wait:
                wait.for_operation(cloud, self.app.stderr, f"volume {name}", volume_id)

        options.each(parsed_args.names, "volumes could not be deleted", delete)


class RevertVolume(Command):  # type: ignore[misc]
    """Give a volume the data of its newest snapshot again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("snapshot", metavar="<snapshot>", help="snapshot (name or id)")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        snapshot = find.one(cloud, find.SNAPSHOT, parsed_args.snapshot)
        at = f"/volumes/{snapshot['volume_id']}"
        body = {"revert": {"snapshot_id": snapshot["id"]}}
        cloud.send("POST", f"{at}/action", body, service_type="block-storage")
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"volume {snapshot['volume_id']}", snapshot["volume_id"])


class VolumeSummary(ShowOne):  # type: ignore[misc]
    """Show how many volumes there are, and how large they are together."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        everybody = "True" if parsed_args.all_projects else None
        found = self.app.cloud().get("/volumes/summary", "block-storage", all_tenants=everybody)["volume-summary"]
        columns = ("Total Count", "Total Size", "Metadata")
        return columns, (found["total_count"], found["total_size"], Dict(found.get("metadata") or {}))


def use_of(parsed_args: argparse.Namespace) -> list[tuple[str, dict[str, Any]]]:
    """The actions for --bootable and --read-only, as far as they were given."""
    asked = (
        ("os-set_bootable", options.given(bootable=parsed_args.bootable)),
        ("os-update_readonly_flag", options.given(readonly=parsed_args.read_only)),
    )
    return [(name, value) for name, value in asked if value]


def shown(volume: dict[str, Any]) -> Any:
    """A volume as `openstack` shows it."""
    return show([*_SHOW, *same(*(key for key in _RARE if volume.get(key) is not None))], volume)


def _server_names(cloud: Cloud) -> dict[str, str]:
    """Of the project's servers; a help for the reader, so that a cloud without compute is no error."""
    try:
        return {server["id"]: server["name"] for server in cloud.pages("/servers", "servers", "compute")}
    except CloudRefusedError:
        return {}
