"""`cumulet volume transfer request …`: giving a volume to another project."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud, part
from cli.fields import Field, same, show

_ACCEPTED = same("id", "name", "volume_id")
_SHOW = (*_ACCEPTED, *same("created_at"))


class ListTransfers(resource.ListThings):
    """List volumes that are offered to other projects."""

    kind = find.TRANSFER
    columns = (Field("ID", "id"), Field("Name", "name"), Field("Volume", "volume_id"))
    of_project = paged = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"all_tenants": "True"} if parsed_args.all_projects else {}


class ShowTransfer(resource.ShowThing):
    """Show one offer."""

    kind = find.TRANSFER
    columns = _SHOW


class CreateTransfer(ShowOne):  # type: ignore[misc]
    """Offer a volume; whoever knows the id and the auth_key that this prints may accept it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="<name>", help="name of the offer")
        options.yes_no(parser, "--snapshots", "--no-snapshots", "with its snapshots (default)")
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {"volume_id": find.id_of(cloud, find.VOLUME, parsed_args.volume), "name": parsed_args.name}
        if parsed_args.snapshots is False:
            wanted["no_snapshots"] = True
        made = cloud.send("POST", "/volume-transfers", {"transfer": wanted}, service_type="block-storage")["transfer"]
        return show((*_SHOW, *same("auth_key")), made)


class AcceptTransfer(ShowOne):  # type: ignore[misc]
    """Take a volume that was offered."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("transfer", metavar="<transfer-request-id>", help="id of the offer")
        parser.add_argument("--auth-key", required=True, metavar="<key>", help="its key")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        path = f"/volume-transfers/{part(parsed_args.transfer)}/accept"
        answer = self.app.cloud().raw(
            "POST", path, service_type="block-storage", json={"accept": {"auth_key": parsed_args.auth_key}}, log=False
        )
        return show(_ACCEPTED, answer.json()["transfer"])


class DeleteTransfers(resource.DeleteThings):
    """Take offers back."""

    kind = find.TRANSFER
