"""`cumulet volume attachment …`: which server has which volume, as the block storage service keeps it."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud, part
from cli.fields import Dict, Field
from cli.resource import Option

_LIST = (
    Field("ID", "id"), Field("Volume ID", "volume_id"), Field("Server ID", "instance"), Field("Status", "status"),
)  # fmt: skip
_SHOW = (
    Field("ID", "id"), Field("Volume ID", "volume_id"), Field("Instance ID", "instance"), Field("Status", "status"),
    Field("Attach Mode", "attach_mode"), Field("Attached At", "attached_at", lambda at: at or ""),
    Field("Detached At", "detached_at", lambda at: at or ""), Field("Properties", "connection_info", Dict),
)  # fmt: skip
#: option -> the connector's word
_CONNECTOR = {
    "initiator": "initiator", "ip": "ip", "host": "host", "platform": "platform", "os_type": "os_type",
    "multipath": "multipath", "mountpoint": "mountpoint",
}  # fmt: skip


class ListAttachments(resource.ListThings):
    """List attachments of volumes."""

    kind = find.ATTACHMENT
    columns = _LIST
    filters = (
        Option("--volume-id", "volume_id", "of the volume with this id"),
        Option("--server-id", "instance_id", "of the server with this id"),
        Option("--status", "status", "in this status, such as attached"),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"all_tenants": "True"} if parsed_args.all_projects or parsed_args.project else {}


class ShowAttachment(ShowOne):  # type: ignore[misc]
    """Show one attachment."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return _shown(self.app.cloud().get(_at(parsed_args), "block-storage")["attachment"])


class CreateAttachment(ShowOne):  # type: ignore[misc]
    """Reserve a volume for a server; `server add volume` does all that attaching needs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        parser.add_argument("--server", required=True, metavar="<server>", help="server (name or id)")
        options.yes_no(parser, "--connect", "--no-connect", "with a connector at once")
        _connector_options(parser)
        parser.add_argument("--mode", choices=("null", "rw", "ro"), metavar="<mode>", help="rw or ro")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted: dict[str, Any] = {
            "volume_uuid": find.id_of(cloud, find.VOLUME, parsed_args.volume),
            "instance_uuid": find.server_id(cloud, parsed_args.server),
        }
        if parsed_args.connect:
            wanted["connector"] = _connector(parsed_args) | options.given(mode=parsed_args.mode)
        elif parsed_args.mode:
            wanted["mode"] = parsed_args.mode
        made = cloud.send("POST", "/attachments", {"attachment": wanted}, service_type="block-storage")["attachment"]
        return _shown(made)


class SetAttachment(ShowOne):  # type: ignore[misc]
    """Say where an attachment that was only reserved leads to."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        _connector_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        body = {"attachment": {"connector": _connector(parsed_args)}}
        cloud: Cloud = self.app.cloud()
        return _shown(cloud.send("PUT", _at(parsed_args), body, service_type="block-storage")["attachment"])


class CompleteAttachment(Command):  # type: ignore[misc]
    """Say that the server has the volume now."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = f"{_at(parsed_args)}/action"
        self.app.cloud().send("POST", path, {"os-complete": None}, service_type="block-storage")


class DeleteAttachment(Command):  # type: ignore[misc]
    """Give up an attachment; `server remove volume` takes it from its server, too."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.cloud().send("DELETE", _at(parsed_args), service_type="block-storage")


def _parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("attachment", metavar="<attachment>", help="id of the attachment")
    return parser


def _at(parsed_args: argparse.Namespace) -> str:
    return f"/attachments/{part(parsed_args.attachment)}"


def _shown(attachment: dict[str, Any]) -> Any:
    return tuple(field.title for field in _SHOW), tuple(field.value(attachment) for field in _SHOW)


def _connector_options(parser: argparse.ArgumentParser) -> None:
    for name, about in (
        ("--initiator", "iSCSI name of the host"), ("--ip", "address of the host"), ("--host", "name of the host"),
        ("--platform", "such as x86_64"), ("--mountpoint", "device in the server"),
    ):  # fmt: skip
        parser.add_argument(name, metavar=f"<{name.strip('-')}>", help=about)
    parser.add_argument("--os-type", metavar="<ostype>", help="such as linux2")
    options.yes_no(parser, "--multipath", "--no-multipath", "by several ways")


def _connector(parsed_args: argparse.Namespace) -> dict[str, Any]:
    return options.given(**{word: getattr(parsed_args, option) for option, word in _CONNECTOR.items()})
