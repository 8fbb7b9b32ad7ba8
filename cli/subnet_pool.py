"""`cumulet subnet pool …`: ranges that subnets are cut from."""

from __future__ import annotations

import argparse
from typing import Any

from cli import find, options, resource
from cli.cloud import Cloud
from cli.fields import Field, List, same
from cli.resource import Option

_SHOW = (
    *same("address_scope_id", "created_at", "default_quota", "description", "id", "ip_version", "is_default", "name"),
    *same("project_id", "revision_number", "shared", "updated_at"), Field("default_prefixlen", "default_prefixlen", int),
    Field("max_prefixlen", "max_prefixlen", int), Field("min_prefixlen", "min_prefixlen", int),  # the API has them as text
    Field("prefixes", "prefixes", List), Field("tags", "tags", List),
)  # fmt: skip
_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Prefixes", "prefixes", List))
_CHANGEABLE = (
    Option("--default-prefix-length", "default_prefixlen", "of subnets that name none", type=options.count),
    Option("--min-prefix-length", "min_prefixlen", "the shortest of a subnet", type=options.count),
    Option("--max-prefix-length", "max_prefixlen", "the longest of a subnet", type=options.count),
    Option("--address-scope", "address_scope_id", "scope that it is in (name or id)", kind=find.ADDRESS_SCOPE),
    Option("--default", "is_default", "the pool of subnets that name none (administrators)", no="--no-default"),
    Option("--description", "description", "description"),
    Option(
        "--default-quota", "default_quota", "addresses that a project may have of it", "<num-ip-addresses>", type=int
    ),
)
_PREFIX = Option("--pool-prefix", "prefixes", "range (may be repeated)", many=True)


class ListSubnetPools(resource.ListThings):
    """List subnet pools."""

    kind = find.SUBNET_POOL
    columns = _LIST
    long_columns = (
        *_LIST, Field("Default Prefix Length", "default_prefixlen", int), Field("Address Scope", "address_scope_id"),
        Field("Default Subnet Pool", "is_default"), Field("Shared", "shared"), Field("Tags", "tags", List),
    )  # fmt: skip
    filters = (
        Option("--share", "shared", "for all projects", no="--no-share"),
        Option("--default", "is_default", "the pool of subnets that name none", no="--no-default"),
        Option("--name", "name", "of this name"),
        Option("--address-scope", "address_scope_id", "in this scope (name or id)", kind=find.ADDRESS_SCOPE),
    )
    tagged = True


class ShowSubnetPool(resource.ShowThing):
    """Show one subnet pool."""

    kind = find.SUBNET_POOL
    columns = _SHOW


class CreateSubnetPool(resource.CreateThing):
    """Create a subnet pool."""

    kind = find.SUBNET_POOL
    columns = _SHOW
    body = (
        Option("--pool-prefix", "prefixes", "range (may be repeated)", many=True, required=True), *_CHANGEABLE,
        Option("--share", "shared", "for all projects (administrators)", no="--no-share"),
    )  # fmt: skip
    tagged = True


class SetSubnetPool(resource.SetThing):
    """Change a subnet pool; ranges are added to those there are."""

    kind = find.SUBNET_POOL
    body = _CHANGEABLE
    tagged = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        resource.add(parser, (_PREFIX,))
        parser.add_argument("--no-address-scope", action="store_true", help="in no scope any more")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        wanted: dict[str, Any] = {"address_scope_id": None} if parsed_args.no_address_scope else {}
        if parsed_args.pool_prefix:
            wanted["prefixes"] = [*thing["prefixes"], *parsed_args.pool_prefix]
        return wanted


class UnsetSubnetPool(resource.UnsetTags):
    """Remove tags of a subnet pool."""

    kind = find.SUBNET_POOL


class DeleteSubnetPools(resource.DeleteThings):
    """Delete subnet pools that no subnet is of."""

    kind = find.SUBNET_POOL
