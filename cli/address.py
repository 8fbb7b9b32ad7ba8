"""`cumulet address group …` and `address scope …`: addresses that rules name together, and pools that don't overlap."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import find, resource
from cli.cloud import Cloud
from cli.fields import Field, List, same
from cli.resource import Option

_GROUP = (
    *same("created_at", "description", "id", "name", "project_id", "revision_number", "shared", "updated_at"),
    Field("addresses", "addresses", List), Field("tags", "tags", List),
)  # fmt: skip
_SCOPE = same("id", "ip_version", "name", "project_id", "shared")
_DESCRIPTION = Option("--description", "description", "description")
_ADDRESS = Option("--address", "addresses", "address or range (may be repeated)", metavar="<ip-address>", many=True)
_SHARE = Option("--share", "shared", "for all projects (administrators)", no="--no-share")


class ListAddressGroups(resource.ListThings):
    """List address groups."""

    kind = find.ADDRESS_GROUP
    columns = (
        Field("ID", "id"), Field("Name", "name"), Field("Description", "description"), Field("Project", "project_id"),
        Field("Addresses", "addresses"),
    )  # fmt: skip
    filters = (Option("--name", "name", "of this name"),)


class ShowAddressGroup(resource.ShowThing):
    """Show one address group."""

    kind = find.ADDRESS_GROUP
    columns = _GROUP


class CreateAddressGroup(resource.CreateThing):
    """Create an address group."""

    kind = find.ADDRESS_GROUP
    columns = _GROUP
    body = (_DESCRIPTION, _ADDRESS)


class SetAddressGroup(resource.SetThing):
    """Change an address group; addresses are added to those there are."""

    kind = find.ADDRESS_GROUP
    body = (_DESCRIPTION,)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        resource.add(parser, (_ADDRESS,))
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        _change_addresses(cloud, thing, "add_addresses", parsed_args.address)
        return {}


class UnsetAddressGroup(Command):  # type: ignore[misc]
    """Remove addresses of an address group."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.ADDRESS_GROUP)
        resource.add(parser, (_ADDRESS,))
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        group = find.one(cloud, find.ADDRESS_GROUP, parsed_args.thing)
        _change_addresses(cloud, group, "remove_addresses", parsed_args.address)


class DeleteAddressGroups(resource.DeleteThings):
    """Delete address groups that no rule names."""

    kind = find.ADDRESS_GROUP


class ListAddressScopes(resource.ListThings):
    """List address scopes."""

    kind = find.ADDRESS_SCOPE
    columns = (
        Field("ID", "id"), Field("Name", "name"), Field("IP Version", "ip_version"), Field("Shared", "shared"),
        Field("Project", "project_id"),
    )  # fmt: skip
    filters = (
        Option("--name", "name", "of this name"), Option("--ip-version", "ip_version", "4 or 6", type=int, choices=(4, 6)),
        _SHARE,
    )  # fmt: skip


class ShowAddressScope(resource.ShowThing):
    """Show one address scope."""

    kind = find.ADDRESS_SCOPE
    columns = _SCOPE


class CreateAddressScope(resource.CreateThing):
    """Create an address scope: the subnet pools in it don't overlap."""

    kind = find.ADDRESS_SCOPE
    columns = _SCOPE
    body = (Option("--ip-version", "ip_version", "4 (default) or 6", type=int, choices=(4, 6)), _SHARE)

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"ip_version": parsed_args.ip_version or 4}


class SetAddressScope(resource.SetThing):
    """Change an address scope."""

    kind = find.ADDRESS_SCOPE
    body = (_SHARE,)


class DeleteAddressScopes(resource.DeleteThings):
    """Delete address scopes that no subnet pool is in."""

    kind = find.ADDRESS_SCOPE


def _change_addresses(cloud: Cloud, group: dict[str, Any], call: str, addresses: list[str] | None) -> None:
    if addresses:
        body = {"addresses": addresses}
        cloud.send("PUT", f"/address-groups/{group['id']}/{call}", body, service_type="network")
