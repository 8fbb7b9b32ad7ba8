"""`cumulet server add volume`, `server remove volume` and `server volume …`: the volumes that a server has."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, wait
from cli.cloud import Cloud, part
from cli.fields import Field, table
from cli.server_list import one

_ADDED = (
    Field("ID", lambda item: item.get("id") or item["volumeId"]), Field("Server ID", "serverId"),
    Field("Volume ID", "volumeId"), Field("Device", "device"), Field("Tag", "tag"),
    Field("Delete On Termination", "delete_on_termination"),
)  # fmt: skip
_LIST = (
    Field("Device", "device"), Field("Server ID", "serverId"), Field("Volume ID", "volumeId"), Field("Tag", "tag"),
    Field("Delete On Termination?", "delete_on_termination"), Field("Attachment ID", "attachment_id"),
    Field("BlockDeviceMapping UUID", "bdm_uuid"),
)  # fmt: skip


class AddVolume(ShowOne):  # type: ignore[misc]
    """Attach a volume to a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        parser.add_argument("--device", metavar="<device>", help="name of the device; the guest may choose another")
        parser.add_argument("--tag", metavar="<tag>", help="tag of the device in the guest's metadata")
        options.yes_no(
            parser,
            "--enable-delete-on-termination",
            "--disable-delete-on-termination",
            "deleted with the server",
            "deleted",
        )
        parser.add_argument("--wait", action="store_true", help="until the server has it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        wanted = options.given(
            volumeId=find.id_of(cloud, find.VOLUME, parsed_args.volume), device=parsed_args.device, tag=parsed_args.tag,
            delete_on_termination=parsed_args.deleted,
        )  # fmt: skip
        made = cloud.send(
            "POST", f"/servers/{server_id}/os-volume_attachments", {"volumeAttachment": wanted}, service_type="compute"
        )["volumeAttachment"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"server {parsed_args.server}", server_id)
        return tuple(field.title for field in _ADDED), tuple(field.value(made) for field in _ADDED)


class RemoveVolume(Command):  # type: ignore[misc]
    """Detach a volume from a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        parser.add_argument("--wait", action="store_true", help="until the server is without it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id, volume_id = _both(cloud, parsed_args)
        cloud.send("DELETE", f"/servers/{server_id}/os-volume_attachments/{volume_id}", service_type="compute")
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"server {parsed_args.server}", server_id)


class ListVolumes(Lister):  # type: ignore[misc]
    """List the volumes that a server has."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = f"/servers/{one(cloud, parsed_args.server)['id']}/os-volume_attachments"
        return table(_LIST, cloud.pages(path, "volumeAttachments", "compute"))


class SetVolume(Command):  # type: ignore[misc]
    """Say whether a volume is deleted with its server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        options.yes_no(
            parser, "--delete-on-termination", "--preserve-on-termination", "deleted with the server", "deleted"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.deleted is None:
            return
        server_id, volume_id = _both(cloud, parsed_args)
        body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": parsed_args.deleted}}
        cloud.send("PUT", f"/servers/{server_id}/os-volume_attachments/{volume_id}", body, service_type="compute")


def _parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("server", metavar="<server>", help="server (name or id)")
    parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
    return parser


def _both(cloud: Cloud, parsed_args: argparse.Namespace) -> tuple[str, str]:
    return one(cloud, parsed_args.server)["id"], part(str(find.id_of(cloud, find.VOLUME, parsed_args.volume)))
