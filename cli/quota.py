"""`cumulet quota …` and `limits show`: how much a project may have."""

from __future__ import annotations

import argparse
import re
from typing import Any

from cliff.command import Command
from cliff.lister import Lister

from cli import find, options
from cli.cloud import Cloud, part
from cli.fields import Field, table

#: the API's name -> the option's, which is the row's too
_COMPUTE = {
    "instances": "instances", "cores": "cores", "ram": "ram", "key_pairs": "key-pairs", "metadata_items": "properties",
    "server_group_members": "server-group-members", "server_groups": "server-groups",
}  # fmt: skip
#: the API's name -> the row's, the option's ("" for none)
_NETWORK = {
    "floatingip": ("floating_ips", "floating-ips"), "network": ("networks", "networks"), "port": ("ports", "ports"),
    "rbac_policy": ("rbac_policies", "rbac-policies"), "router": ("routers", "routers"),
    "security_group": ("security_groups", "secgroups"), "security_group_rule": ("security_group_rules", "secgroup-rules"),
    "subnet": ("subnets", "subnets"), "subnetpool": ("subnet_pools", "subnetpools"), "trunk": ("trunk", ""),
}  # fmt: skip
_VOLUME = {
    "volumes": ("volumes", "volumes"), "snapshots": ("snapshots", "snapshots"), "gigabytes": ("gigabytes", "gigabytes"),
    "groups": ("groups", "groups"), "backups": ("backups", "backups"),
    "backup_gigabytes": ("backup-gigabytes", "backup-gigabytes"),
    "per_volume_gigabytes": ("per-volume-gigabytes", "per-volume-gigabytes"),
}  # fmt: skip
_LISTED = {
    "--compute": (
        ("Cores", "cores"), ("Instances", "instances"), ("Key Pairs", "key_pairs"), ("Metadata Items", "metadata_items"),
        ("Ram", "ram"), ("Server Groups", "server_groups"), ("Server Group Members", "server_group_members"),
    ),
    "--network": (
        ("Floating IPs", "floatingip"), ("Networks", "network"), ("Ports", "port"), ("RBAC Policies", "rbac_policy"),
        ("Router Routes", "router_route"), ("Routers", "router"), ("Security Groups", "security_group"),
        ("Security Group Rules", "security_group_rule"),
        ("Subnets", "subnet"), ("Subnet Pools", "subnetpool"),
    ),
    "--volume": (
        ("Backups", "backups"), ("Backup Gigabytes", "backup_gigabytes"), ("Gigabytes", "gigabytes"), ("Groups", "groups"),
        ("Per Volume Gigabytes", "per_volume_gigabytes"), ("Snapshots", "snapshots"), ("Volumes", "volumes"),
    ),
}  # fmt: skip
#: what `openstack` calls the API's limits; some have two names
_LIMIT_NAMES = {
    "maxTotalInstances": ("instances", "max_total_instances"), "totalInstancesUsed": ("instances_used", "total_instances_used"),
    "maxTotalCores": ("total_cores", "max_total_cores"), "totalCoresUsed": ("total_cores_used",),
    "maxTotalRAMSize": ("total_ram", "max_total_ram_size"), "totalRAMUsed": ("total_ram_used",),
    "maxTotalKeypairs": ("keypairs", "max_total_keypairs"), "maxServerMeta": ("server_meta", "max_server_meta"),
    "maxImageMeta": ("image_meta", "max_image_meta"), "maxServerGroups": ("server_groups", "max_server_groups"),
    "maxServerGroupMembers": ("server_group_members", "max_server_group_members"),
    "totalServerGroupsUsed": ("server_groups_used", "total_server_groups_used"),
    "maxTotalFloatingIps": ("floating_ips", "max_total_floating_ips"),
    "totalFloatingIpsUsed": ("floating_ips_used", "total_floating_ips_used"),
    "maxSecurityGroups": ("security_groups", "max_security_groups"),
    "totalSecurityGroupsUsed": ("security_groups_used", "total_security_groups_used"),
    "maxSecurityGroupRules": ("security_group_rules", "max_security_group_rules"),
    "maxPersonality": ("personality",), "maxPersonalitySize": ("personality_size",),
}  # fmt: skip
#: option of the list -> path, key of the answer, service
_SERVICES = {
    "--compute": ("/os-quota-sets", "quota_set", "compute"), "--network": ("/quotas", "quota", "network"),
    "--volume": ("/os-quota-sets", "quota_set", "block-storage"),
}  # fmt: skip
_EVERY_LIMIT = {"OpenStack-API-Version": "compute 2.1", "X-OpenStack-Nova-API-Version": "2.1"}


class ShowQuota(Lister):  # type: ignore[misc]
    """Show a project's quotas (default: of the project you work in)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("project", nargs="?", metavar="<project>", help="project (name or id)")
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument("--default", action="store_true", help="what projects have that nothing was set for")
        kind.add_argument("--usage", action="store_true", help="with what is used")
        _services(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        project_id = part(find.identity_id(cloud, find.PROJECT, parsed_args.project) or cloud.project_id)
        rows: list[dict[str, Any]] = []
        if parsed_args.service in ("all", "compute"):
            form = "/defaults" if parsed_args.default else "/detail"
            found = cloud.get(f"/os-quota-sets/{project_id}{form}", "compute")["quota_set"]
            rows += [
                _row(name, found[key], counted=key != "key_pairs") for key, name in _COMPUTE.items() if key in found
            ]
        if parsed_args.service in ("all", "network"):
            form = "/default" if parsed_args.default else "/details"
            found = cloud.get(f"/quotas/{project_id}{form}", "network")["quota"]
            rows += [_row(name, found[key]) for key, (name, _) in _NETWORK.items() if key in found]
        if parsed_args.service in ("all", "volume"):
            form, usage = ("/defaults", None) if parsed_args.default else ("", "True")
            found = cloud.get(f"/os-quota-sets/{project_id}{form}", "block-storage", usage=usage)["quota_set"]
            by_type = [key for key in found if key.startswith(("volumes_", "snapshots_", "gigabytes_"))]
            rows += [_row(name, found[key]) for key, (name, _) in _VOLUME.items() if key in found]
            rows += [_row(key, found[key]) for key in by_type]
        columns = [Field("Resource", "resource"), Field("Limit", "limit")]
        if parsed_args.usage:
            columns += [Field("In Use", "in_use"), Field("Reserved", "reserved")]
        return table(columns, rows)


class SetQuota(Command):  # type: ignore[misc]
    """Set a project's quotas (administrators); -1 is without limit."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("project", nargs="?", metavar="<project>", help="project (name or id; default: yours)")
        for option in (*_COMPUTE.values(), *_options(_NETWORK), *_options(_VOLUME)):
            parser.add_argument(
                f"--{option}", type=int, metavar=f"<{option}>", help=f"{option.replace('-', ' ')} at most"
            )
        parser.add_argument("--volume-type", metavar="<volume-type>", help="of volumes of this type only (name or id)")
        options.yes_no(parser, "--force", "--no-force", "also below what is used")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        project_id = part(find.identity_id(cloud, find.PROJECT, parsed_args.project) or cloud.project_id)

        def asked(option: str) -> int | None:
            return getattr(parsed_args, option.replace("-", "_"))  # type: ignore[no-any-return]

        compute = options.given(**{key: asked(option) for key, option in _COMPUTE.items()})
        network = options.given(**{key: asked(option) for key, (_, option) in _NETWORK.items() if option})
        volume = options.given(**{key: asked(option) for key, (_, option) in _VOLUME.items()})
        if compute:
            compute |= options.given(force=parsed_args.force)
            cloud.send("PUT", f"/os-quota-sets/{project_id}", {"quota_set": compute}, service_type="compute")
        if network:
            network |= {"check_limit": True} if parsed_args.force is False else {}
            cloud.send("PUT", f"/quotas/{project_id}", {"quota": network}, service_type="network")
        if volume:
            if parsed_args.volume_type:
                of_type = find.one(cloud, find.VOLUME_TYPE, parsed_args.volume_type)["name"]
                volume = {f"{key}_{of_type}": value for key, value in volume.items()}
            cloud.send("PUT", f"/os-quota-sets/{project_id}", {"quota_set": volume}, service_type="block-storage")


class DeleteQuota(Command):  # type: ignore[misc]
    """Give a project the default quotas again (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="<project>", help="project (name or id)")
        _services(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        project_id = find.id_of(cloud, find.PROJECT, parsed_args.project)
        if parsed_args.service in ("all", "compute"):
            cloud.send("DELETE", f"/os-quota-sets/{project_id}", service_type="compute")
        if parsed_args.service in ("all", "network"):
            cloud.send("DELETE", f"/quotas/{project_id}", service_type="network")
        if parsed_args.service in ("all", "volume"):
            cloud.send("DELETE", f"/os-quota-sets/{project_id}", service_type="block-storage")


class ListQuotas(Lister):  # type: ignore[misc]
    """List the projects whose quotas are not the default ones (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group(required=True)
        for name in _LISTED:
            which.add_argument(
                name, dest="which", action="store_const", const=name, help=f"quotas of {name.strip('-')}"
            )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        base, key, service = _SERVICES[parsed_args.which]
        keys = [key for _, key in _LISTED[parsed_args.which]]
        default = cloud.get(f"{base}/{cloud.project_id}/default{'' if service == 'network' else 's'}", service)[key]
        rows = []
        for project in cloud.pages("/projects", "projects", "identity"):
            found = cloud.get(f"{base}/{project['id']}", service)[key]
            if any(found.get(name) != default.get(name) for name in keys):
                rows.append({"project": project["id"], **found})
        columns = [Field("Project ID", "project"), *(Field(title, name) for title, name in _LISTED[parsed_args.which])]
        return table(columns, rows)


class ShowLimits(Lister):  # type: ignore[misc]
    """Show what a project may have and has."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        kind = parser.add_mutually_exclusive_group(required=True)
        kind.add_argument("--absolute", action="store_true", help="amounts")
        kind.add_argument("--rate", action="store_true", help="requests over time; there are none")
        parser.add_argument("--reserved", action="store_true", help="with what is reserved")
        options.project(parser, "of this project (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.rate:
            return ("Verb", "URI", "Value", "Remain", "Unit", "Next Available"), []
        cloud: Cloud = self.app.cloud()
        tenant = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        query = {"tenant_id": tenant, "reserved": 1 if parsed_args.reserved else None}
        answer = cloud.raw("GET", "/limits", service_type="compute", params=query, headers=_EVERY_LIMIT).json()
        absolute = answer["limits"]["absolute"]
        named = [(name, value) for key, value in absolute.items() for name in _LIMIT_NAMES.get(key, (key,))]
        if tenant is None:  # block storage tells of the token's project only
            volumes = cloud.get("/limits", "block-storage")["limits"]["absolute"]
            named += [(_snake(key), value) for key, value in volumes.items()]
        return ("Name", "Value"), sorted(named)


def _options(named: dict[str, tuple[str, str]]) -> list[str]:
    return [option for _, option in named.values() if option]


def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _services(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    for name in ("all", "compute", "volume", "network"):
        which.add_argument(
            f"--{name}", dest="service", action="store_const", const=name, default="all", help=f"of {name}"
        )


def _row(name: str, found: Any, *, counted: bool = True) -> dict[str, Any]:
    """counted False: it is not the project's, so that no use of it can be told."""
    if not isinstance(found, dict):
        return {"resource": name, "limit": found}
    in_use = found.get("in_use", found.get("used", 0)) if counted else "N/A"
    return {"resource": name, "limit": found["limit"], "in_use": in_use, "reserved": found["reserved"]}
