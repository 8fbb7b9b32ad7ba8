"""`cumulet server event …`: what was done with a server, as OpenStack's instance actions tell it."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from cli import options
from cli.cloud import Cloud, part
from cli.fields import Dicts, Field, show, table
from cli.server_list import one
from common.ids import is_uuid

_LIST = (
    Field("Request ID", "request_id"), Field("Server ID", "instance_uuid"), Field("Action", "action"),
    Field("Start Time", "start_time"),
)  # fmt: skip
_LONG = (Field("Message", "message"), Field("Project ID", "project_id"), Field("User ID", "user_id"))
_SHOW = (
    Field("action", "action"), Field("events", "events", Dicts), Field("id", "request_id"), Field("message", "message"),
    Field("project_id", "project_id"), Field("request_id", "request_id"), Field("start_time", "start_time"),
    Field("updated_at", "updated_at"), Field("user_id", "user_id"),
)  # fmt: skip


class ListEvents(Lister):  # type: ignore[misc]
    """List what was done with a server, newest first; of a deleted one by its id."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--changes-since", metavar="<changes-since>", help="changed since this time")
        parser.add_argument("--changes-before", metavar="<changes-before>", help="changed before this time")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        query = {"changes-since": parsed_args.changes_since, "changes-before": parsed_args.changes_before}
        path = f"/servers/{_id(cloud, parsed_args.server)}/os-instance-actions"
        found = cloud.pages(path, "instanceActions", "compute", **query, **options.page(parsed_args))
        return table(_LIST + _LONG if parsed_args.long else _LIST, found)


class ShowEvent(ShowOne):  # type: ignore[misc]
    """Show one thing that was done with a server, step by step."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("request_id", metavar="<request-id>", help="id of the request")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = f"/servers/{_id(cloud, parsed_args.server)}/os-instance-actions/{part(parsed_args.request_id)}"
        return show(_SHOW, cloud.get(path, "compute")["instanceAction"])


def _id(cloud: Cloud, name_or_id: str) -> str:
    """A deleted server is in no list."""
    return name_or_id if is_uuid(name_or_id) else str(one(cloud, name_or_id)["id"])
