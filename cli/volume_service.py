"""`cumulet volume service`, `volume backend` and `volume message`: where volumes are kept, and what went wrong there."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dict, Field, same, show, table

_SERVICES = (
    Field("Binary", "binary"), Field("Host", "host"), Field("Zone", "zone"), Field("Status", "status"),
    Field("State", "state"), Field("Updated At", "updated_at"), Field("Cluster", "cluster"),
    Field("Backend State", "backend_state"),
)  # fmt: skip
_MESSAGES = (
    Field("ID", "id"), Field("Event ID", "event_id"), Field("Resource Type", "resource_type"),
    Field("Resource UUID", "resource_uuid"), Field("Message Level", "message_level"),
    Field("User Message", "user_message"), Field("Request ID", "request_id"), Field("Created At", "created_at"),
    Field("Guaranteed Until", "guaranteed_until"),
)  # fmt: skip
_MESSAGE = same(
    "created_at", "event_id", "guaranteed_until", "id", "message_level", "request_id", "resource_type", "resource_uuid",
    "user_message",
)  # fmt: skip


class ListServices(Lister):  # type: ignore[misc]
    """List the services that keep volumes (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="<host>", help="of this host, such as node1@files")
        parser.add_argument("--service", metavar="<service>", help="of this kind, such as cinder-volume")
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().get(
            "/os-services", "block-storage", host=parsed_args.host, binary=parsed_args.service
        )["services"]
        columns = (*_SERVICES, Field("Disabled Reason", "disabled_reason")) if parsed_args.long else _SERVICES
        return table(columns, found)


class SetService(Command):  # type: ignore[misc]
    """Let a service get new volumes, or no more (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="<host>", help="name of the host")
        parser.add_argument("service", metavar="<service>", help="kind of service, such as cinder-volume")
        options.yes_no(parser, "--enable", "--disable", "gets new volumes")
        parser.add_argument("--disable-reason", metavar="<reason>", help="why, with --disable")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.disable_reason and parsed_args.enable is not False:
            raise CommandError("--disable-reason goes with --disable.")
        if parsed_args.enable is None:
            return
        wanted = {"host": parsed_args.host, "binary": parsed_args.service}
        what = "enable" if parsed_args.enable else "disable"
        if parsed_args.disable_reason:
            what, wanted = "disable-log-reason", {**wanted, "disabled_reason": parsed_args.disable_reason}
        self.app.cloud().send("PUT", f"/os-services/{what}", wanted, service_type="block-storage")


class ListPools(Lister):  # type: ignore[misc]
    """List the places that volumes are kept in (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().get("/scheduler-stats/get_pools", "block-storage", detail="True")["pools"]
        columns = [Field("Name", "name"), *([Field("Capabilities", "capabilities", Dict)] if parsed_args.long else [])]
        return table(columns, found)


class ListMessages(Lister):  # type: ignore[misc]
    """List why something with a volume failed after it was accepted."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.paging(parser, max_items=False)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        return table(_MESSAGES, cloud.pages("/messages", "messages", "block-storage", **options.page(parsed_args)))


class ShowMessage(ShowOne):  # type: ignore[misc]
    """Show one message."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("message_id", metavar="<message-id>", help="id of the message")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().get(f"/messages/{part(parsed_args.message_id)}", "block-storage")["message"]
        return show(_MESSAGE, found)


class DeleteMessages(Command):  # type: ignore[misc]
    """Delete messages."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("message_ids", nargs="+", metavar="<message-id>", help="id of a message")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def delete(message_id: str) -> None:
            cloud.send("DELETE", f"/messages/{part(message_id)}", service_type="block-storage")

        options.each(parsed_args.message_ids, "messages could not be deleted", delete)
