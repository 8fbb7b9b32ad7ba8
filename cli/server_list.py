"""`cumulet server list` and `show`, in the columns of `openstack`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CloudRefusedError
from cli.fields import Addresses, Dict, Dicts, Field, Item, List, PowerState, same, show, table
from common.ids import is_uuid

NO_IMAGE = "N/A (booted from volume)"
_IMAGES_PER_QUESTION = 100  # ids in one address
_ID, _STATUS = (Field("ID", "id"), Field("Name", "name")), Field("Status", "status")
_STATES = (Field("Task State", "OS-EXT-STS:task_state"), Field("Power State", "OS-EXT-STS:power_state", PowerState))
_NETWORKS = Field("Networks", "addresses", Addresses)
_IMAGE_ID = Field("Image ID", lambda item: item["image"]["id"] if item["image"] else NO_IMAGE)
_FLAVOR = Field("Flavor", lambda item: item["flavor"].get("original_name"))
_PLACE = (
    Field("Availability Zone", "OS-EXT-AZ:availability_zone"),
    Field("Host", "OS-EXT-SRV-ATTR:hypervisor_hostname"),
)
_PROPERTIES = Field("Properties", "metadata", Dict)
_ASKED = (
    Field("Pinned Availability Zone", "pinned_availability_zone"),
    Field("Scheduler Hints", "scheduler_hints", Dict),
)
_HOST_STATUS = Field("Host Status", "host_status")
#: columns that -c may name beside those that are shown anyway
_MORE = (
    Field("Project ID", "tenant_id"), Field("User ID", "user_id"), Field("Created At", "created"),
    Field("Security Groups", lambda item: [group["name"] for group in item.get("security_groups", ())], List),
    *_STATES, _IMAGE_ID, *_PLACE, _PROPERTIES,
)  # fmt: skip
_SHOW = (
    *same("OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone", "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hostname"),
    *same("OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:kernel_id"),
    *same("OS-EXT-SRV-ATTR:launch_index", "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:reservation_id"),
    *same("OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:user_data", "OS-EXT-STS:task_state"),
    *same("OS-EXT-STS:vm_state", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "accessIPv4", "accessIPv6"),
    *same("config_drive", "created", "description", "hostId", "host_status", "id", "key_name", "locked", "locked_reason"),
    *same("name", "pinned_availability_zone", "progress", "server_groups", "status", "trusted_image_certificates"),
    *same("updated", "user_id"),
    Field("OS-EXT-STS:power_state", "OS-EXT-STS:power_state", PowerState), Field("addresses", "addresses", Addresses),
    Field("flavor", "flavor", Dict), Field("image", "image_text"), Field("project_id", "tenant_id"),
    Field("properties", "metadata", Dict), Field("security_groups", "security_groups", Dicts),
    Field("tags", "tags", List), Field("scheduler_hints", "scheduler_hints", Dict),
    Field("volumes_attached", "os-extended-volumes:volumes_attached", Dicts),
)  # fmt: skip


class ListServers(Lister):  # type: ignore[misc]
    """List servers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        for name, metavar, about in (
            ("reservation-id", "<reservation-id>", "of this reservation"), ("ip", "<ip-address-regex>", "with such an address"),
            ("ip6", "<ip-address-regex>", "with such an IPv6 address"), ("name", "<name-regex>", "with such a name"),
            ("instance-name", "<server-name>", "with such a domain name (administrators)"),
            ("status", "<status>", "in this status, such as ACTIVE"), ("flavor", "<flavor>", "of this flavor (name or id)"),
            ("image", "<image>", "of this image (name or id)"), ("host", "<hostname>", "on this node (administrators)"),
            ("availability-zone", "<zone>", "in this zone (administrators)"), ("key-name", "<key>", "with this keypair"),
            ("vm-state", "<state>", "in this state (administrators)"), ("task-state", "<state>", "in this task state"),
            ("power-state", "<state>", "in this power state, a number"),
            ("changes-before", "<changes-before>", "changed before this time"),
            ("changes-since", "<changes-since>", "changed since this time, deleted ones too"),
        ):  # fmt: skip
            parser.add_argument(f"--{name}", metavar=metavar, help=about)
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        options.project(parser, "of this project (administrators)")
        options.user(parser, "of this user (administrators)")
        parser.add_argument("--deleted", action="store_true", help="the deleted ones (administrators)")
        options.yes_no(parser, "--config-drive", "--no-config-drive", "with a config drive (administrators)")
        options.yes_no(parser, "--locked", "--unlocked", "locked")
        parser.add_argument("--long", action="store_true", help="more columns")
        names = parser.add_mutually_exclusive_group()
        names.add_argument("-n", "--no-name-lookup", action="store_true", help="ids of images, quicker")
        names.add_argument(
            "--name-lookup-one-by-one", action="store_true", help="without effect: names are looked up together"
        )
        parser.add_argument("--tags", action="append", metavar="<tag>", help="with this tag (may be repeated)")
        parser.add_argument("--not-tags", action="append", metavar="<tag>", help="without this tag (may be repeated)")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        servers = list(cloud.pages("/servers/detail", "servers", "compute", **_query(cloud, parsed_args)))
        names = {} if parsed_args.no_name_lookup else image_names(cloud, servers)
        servers = [{**server, "image_name": _image_name(server, names)} for server in servers]
        return table(_columns(parsed_args, servers), servers)


class ShowServer(ShowOne):  # type: ignore[misc]
    """Show one server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--diagnostics", action="store_true", help="what its node measures of it (administrators)")
        which.add_argument("--topology", action="store_true", help="with its NUMA nodes, as JSON")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        if parsed_args.diagnostics:
            found = cloud.get(f"/servers/{server_id}/diagnostics", "compute")
            return tuple(found), tuple(found.values())
        if parsed_args.topology:
            columns, row = shown(cloud, server_id)
            return (*columns, "topology"), (*row, Dict(cloud.get(f"/servers/{server_id}/topology", "compute")))
        return shown(cloud, server_id)


def one(cloud: Cloud, name_or_id: str, *, all_projects: bool = False) -> dict[str, Any]:
    """The server in short. all_projects: by name in any project (administrators). Raises CommandError."""
    return find.one(cloud, find.SERVER, name_or_id, **({"all_tenants": "true"} if all_projects else {}))


def shown(cloud: Cloud, server_id: str) -> Any:
    """What ShowOne prints of a server, read now."""
    server = cloud.get(f"/servers/{server_id}", "compute")["server"]
    image_id = (server["image"] or {}).get("id")
    name = image_names(cloud, [server]).get(image_id or "")
    text = f"{name} ({image_id})" if name else image_id
    flavor = server["flavor"]
    named = {"name": flavor.get("original_name"), "id": flavor.get("original_name"), **flavor}
    fields = [*_SHOW, *([Field("fault", "fault")] if server.get("fault") else [])]
    return show(fields, {**server, "image_text": text or NO_IMAGE, "flavor": named})


def image_names(cloud: Cloud, servers: Iterable[Item]) -> dict[str, str]:
    """By id; of images that are gone or hidden there is none."""
    ids = sorted({server["image"]["id"] for server in servers if server["image"]})
    found: dict[str, str] = {}
    for start in range(0, len(ids), _IMAGES_PER_QUESTION):
        asked = ",".join(ids[start : start + _IMAGES_PER_QUESTION])
        try:
            listed = list(cloud.pages("/images", "images", "image", id=f"in:{asked}"))
        except CloudRefusedError as err:
            if err.status not in (400, 403, 404):
                raise
            listed = []  # names are a help, not the answer
        found |= {image["id"]: image["name"] for image in listed}
    return found


def _image_name(server: Item, names: dict[str, str]) -> str | None:
    return names.get(server["image"]["id"]) if server["image"] else NO_IMAGE


def _columns(parsed_args: argparse.Namespace, servers: list[dict[str, Any]]) -> list[Field]:
    name = Field("Image", lambda item: item["image"]["id"] if item["image"] else NO_IMAGE)
    if not parsed_args.no_name_lookup:
        name = Field("Image", "image_name")
    if parsed_args.long:
        columns = [
            *_ID,
            _STATUS,
            *_STATES,
            _NETWORKS,
            Field("Image Name", "image_name"),
            _IMAGE_ID,
            _FLAVOR,
            *_PLACE,
            _PROPERTIES,
            *_ASKED,
        ]
    else:
        columns = [*_ID, _STATUS, _NETWORKS, name, _FLAVOR]
    if parsed_args.all_projects:
        columns.append(_MORE[0])
    asked = {column.lower().strip().replace(" ", "_") for column in parsed_args.columns}
    there = {column.title for column in columns}
    columns += [more for more in _MORE if more.title.lower().replace(" ", "_") in asked and more.title not in there]
    if parsed_args.long and any(server.get("host_status") is not None for server in servers):
        columns.append(_HOST_STATUS)
    return columns


def _query(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    project_id = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
    flavor = parsed_args.flavor and find.one(cloud, find.FLAVOR, parsed_args.flavor)["id"]
    marker = parsed_args.marker
    if marker and not is_uuid(marker):
        marker = one(cloud, marker)["id"]
    names = ("ip", "ip6", "name", "status", "host", "availability_zone", "vm_state", "task_state", "power_state")
    query = {name: getattr(parsed_args, name) for name in (*names, "locked", "config_drive", "reservation_id")}
    query |= {
        "flavor": flavor, "image": find.id_of(cloud, find.IMAGE, parsed_args.image), "project_id": project_id,
        "user_id": find.identity_id(cloud, find.USER, parsed_args.user, parsed_args.user_domain),
        "instance_name": parsed_args.instance_name, "key_name": parsed_args.key_name,
        "changes-before": parsed_args.changes_before, "changes-since": parsed_args.changes_since,
        "tags": ",".join(parsed_args.tags or ()) or None, "not-tags": ",".join(parsed_args.not_tags or ()) or None,
        "deleted": "true" if parsed_args.deleted else None, "limit": parsed_args.limit or None, "marker": marker,
        "max_items": parsed_args.max_items or None,
        "all_tenants": "true" if parsed_args.all_projects or project_id else None,
    }  # fmt: skip
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
