"""POST /servers: the body as a NewServer."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
from collections.abc import Sequence
from typing import Any

from api.compute.handlers import block_devices
from api.compute.operations import injected_files, server_create
from api.compute.operations.server_create import NewServer
from api.compute.operations.server_metadata import MAX_TAGS
from api.compute.operations.server_networks import NetworkChoice, Nic
from api.compute.schemas import servers as schemas
from api.compute.views import servers as views
from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from common.errors import Forbidden, InvalidRequest
from common.secret import Secret

PASSWORD_BYTES = 12


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.create(request.version))
    new = _read(request)
    created = server_create.create(request.services, request.context, new)
    if as_boolean(request.body["server"].get("return_reservation_id", False)):
        return Reply({"reservation_id": created.reservation_id}, 202)
    body = views.created(created.instance_ids[0], new.disk_config, new.groups or ("default",), reader(request))
    if request.services.config.api.instance_password:
        body["adminPass"] = new.admin_password.reveal()
    location = f"{request.base_url}/servers/{created.instance_ids[0]}"
    return Reply({"server": body}, 202, {"Location": location})


def new_password(wanted: dict[str, Any]) -> Secret:
    """The one asked for, or a random one. It is shown once, and told the guest on its config drive, if it has one."""
    return Secret(wanted.get("adminPass") or secrets.token_urlsafe(PASSWORD_BYTES))


def _read(request: ApiRequest) -> NewServer:
    server: dict[str, Any] = request.body["server"]
    zone, node = _place(request, server)
    min_count = int(server.get("min_count", 1))
    max_count = int(server.get("max_count", min_count))
    if not 1 <= min_count <= max_count <= schemas.MAX_SERVERS_PER_REQUEST:
        raise InvalidRequest("min_count must be <= max_count")
    if len(set(server.get("tags", []))) > MAX_TAGS:
        raise InvalidRequest(f"The number of tags exceeded the per-server limit {MAX_TAGS}")
    _check_refused(server)
    return NewServer(
        name=server["name"],
        flavor_id=str(server["flavorRef"]).rstrip("/").rsplit("/", 1)[-1],
        disks=block_devices.read(request),
        networks=_networks(server.get("networks")),
        groups=tuple(dict.fromkeys(group["name"] for group in server.get("security_groups", []) if "name" in group)),
        key_name=server.get("key_name"),
        metadata=server.get("metadata", {}),
        tags=tuple(sorted(set(server.get("tags", [])))),
        description=server.get("description"),
        user_data=user_data(server.get("user_data")),
        config_drive=as_boolean(server.get("config_drive", False)) or bool(server.get("personality")),
        files=injected_files.read(server.get("personality", [])),
        admin_password=new_password(server),
        disk_config=server.get("OS-DCF:diskConfig", "MANUAL"),
        access_ip_v4=address(server, "accessIPv4", 4),
        access_ip_v6=address(server, "accessIPv6", 6),
        zone=zone,
        requested_node=node,
        hints=_hints(request.body),
        hostname=server.get("hostname"),
        min_count=min_count,
        max_count=max_count,
    )


def _check_refused(server: dict[str, Any]) -> None:
    """Raises InvalidRequest for signed images: this cloud has none."""
    if server.get("trusted_image_certificates"):
        raise InvalidRequest("Image signature certificates are not supported.")


def _networks(wanted: Any) -> list[Nic] | NetworkChoice | None:
    if wanted is None:
        return None
    if isinstance(wanted, str):
        return NetworkChoice(wanted)
    nics = []
    for entry in wanted:
        if not entry.get("port") and not entry.get("uuid"):
            raise InvalidRequest("Bad networks format: network uuid is not in proper format (None)")
        fixed_ip = entry.get("fixed_ip")
        if fixed_ip is not None and entry.get("port"):
            raise InvalidRequest(f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{entry['port']}'.")
        address = None if fixed_ip is None else fixed_address(fixed_ip)
        nics.append(Nic(entry.get("uuid"), entry.get("port"), address, entry.get("tag") or ""))
    check_tags([nic.tag for nic in nics])
    return nics


def check_tags(tags: Sequence[str]) -> None:
    """Devices are told apart by their tags. Raises InvalidRequest."""
    given = [tag for tag in tags if tag]
    if len(set(given)) < len(given):
        raise InvalidRequest("Duplicate device tags: each device of a server needs a tag of its own.")


def fixed_address(text: str) -> str:
    """Raises InvalidRequest for what is no address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as err:
        raise InvalidRequest(f"Invalid fixed IP address ({text})") from err


def address(server: dict[str, Any], key: str, version: int) -> str:
    """An access address in its normal form, or "". Raises InvalidRequest."""
    text = server.get(key) or ""
    try:
        found = ipaddress.ip_address(text) if text else None
    except ValueError:
        found = None
    if text and (found is None or found.version != version):
        raise InvalidRequest(
            f"Invalid input for field/attribute {key}. Value: {text}. An IPv{version} address is needed."
        )
    return str(found) if found else ""


def user_data(text: str | None) -> str | None:
    """User data as it came, if it is base64; None for none. Raises InvalidRequest."""
    if not text:
        return None
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as err:
        raise InvalidRequest("Invalid input for field/attribute user_data. It is not base64.") from err
    return text


def _place(request: ApiRequest, server: dict[str, Any]) -> tuple[str | None, str | None]:
    """Zone and node asked for: `zone[:host[:node]]`, or host and hypervisor_hostname (2.74); for admins."""
    parts = (server.get("availability_zone") or "").split(":")
    if len(parts) > 3:
        raise InvalidRequest("Unable to parse availability_zone: at most ZONE:HOST:NODE.")
    named = {part for part in parts[1:] if part}
    direct = {server[key] for key in ("host", "hypervisor_hostname") if server.get(key)}
    if named and direct:
        raise InvalidRequest("Cannot specify host and hypervisor_hostname together with a host in availability_zone.")
    nodes = named | direct
    if nodes and not request.context.is_admin:
        key = "forced_host" if named else "requested_destination"
        raise Forbidden(f"Policy doesn't allow os_compute_api:servers:create:{key} to be performed.")
    if len(nodes) > 1:
        raise InvalidRequest("Host and hypervisor name different machines: here they are the same.")
    return parts[0] or None, next(iter(nodes), None)


def _hints(body: dict[str, Any]) -> dict[str, Any]:
    return {**body.get("OS-SCH-HNT:scheduler_hints", {}), **body.get("os:scheduler_hints", {})}
