"""`cumulet network rbac …`: sharing single things of the network service with single projects."""

from __future__ import annotations

import argparse
from typing import Any

from cli import find, options, resource
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Field, same
from cli.resource import Option

_KINDS = {
    "address_group": find.ADDRESS_GROUP, "address_scope": find.ADDRESS_SCOPE, "security_group": find.GROUP,
    "subnetpool": find.SUBNET_POOL, "qos_policy": find.QOS_POLICY, "network": find.NETWORK,
}  # fmt: skip
_ACTIONS = ("access_as_external", "access_as_shared")
_LIST = (Field("ID", "id"), Field("Object Type", "object_type"), Field("Object ID", "object_id"))
_SHOW = (
    *same("action", "id", "object_id", "object_type", "project_id"),
    Field("target_project_id", lambda policy: policy["target_tenant"]),
)


class ListRbac(resource.ListThings):
    """List what is shared with single projects."""

    kind = find.RBAC
    columns = _LIST
    long_columns = (*_LIST, Field("Action", "action"))
    filters = (
        Option("--type", "object_type", "of this kind of things", choices=tuple(_KINDS)),
        Option("--action", "action", "shared in this way", choices=_ACTIONS),
    )
    of_project = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--target-project", metavar="<target-project>", help="with this project (name or id)")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return options.given(target_tenant=find.identity_id(cloud, find.PROJECT, parsed_args.target_project))


class ShowRbac(resource.ShowThing):
    """Show one thing that is shared."""

    kind = find.RBAC
    columns = _SHOW


class CreateRbac(resource.CreateThing):
    """Share a thing with a project."""

    kind = find.RBAC
    columns = _SHOW
    named = False
    body = (
        Option("--type", "object_type", "what it is", choices=tuple(_KINDS), required=True),
        Option("--action", "action", "how it is shared", choices=_ACTIONS, required=True),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("rbac_object", metavar="<rbac-object>", help="the thing (name or id)")
        with_whom = parser.add_mutually_exclusive_group(required=True)
        with_whom.add_argument("--target-project", metavar="<target-project>", help="with this project (name or id)")
        with_whom.add_argument("--target-all-projects", action="store_true", help="with all projects (administrators)")
        parser.add_argument("--target-project-domain", metavar="<target-project-domain>", help="domain of that project")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        target = "*"
        if not parsed_args.target_all_projects:
            target = _target(cloud, parsed_args)
        found = find.id_of(cloud, _KINDS[parsed_args.type], parsed_args.rbac_object)
        return {"object_id": found, "target_tenant": target}


class SetRbac(resource.SetThing):
    """Share a thing with another project instead."""

    kind = find.RBAC
    renamed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--target-project", metavar="<target-project>", help="with this project (name or id)")
        parser.add_argument("--target-project-domain", metavar="<target-project-domain>", help="domain of that project")
        return parser

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        return {"target_tenant": _target(cloud, parsed_args)} if parsed_args.target_project else {}


class DeleteRbac(resource.DeleteThings):
    """Share things no longer."""

    kind = find.RBAC


def _target(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    found = find.identity_id(cloud, find.PROJECT, parsed_args.target_project, parsed_args.target_project_domain)
    if found is None:
        raise CommandError("Say with which project: --target-project.")
    return found
