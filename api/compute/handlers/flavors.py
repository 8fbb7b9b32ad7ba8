"""Flavors, their extra specs and who may use the private ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.compute import query
from api.compute.operations import flavors
from api.compute.schemas import extra_specs
from api.compute.schemas import flavors as schemas
from api.compute.views import flavors as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, as_boolean, validate
from common.db.flavors import FlavorFilter
from common.db.models import Flavor
from common.errors import InvalidRequest

_WITHOUT_FACTOR = Microversion(2, 102)
_IGNORED_SORT_KEYS = ("deleted", "deleted_at", "updated_at", "vcpu_weight")


def list_summary(request: ApiRequest) -> Reply:
    found, audience = _found(request), reader(request)
    return _listed(request, found, [views.summary(row, audience) for row in found], "flavors")


def list_detail(request: ApiRequest) -> Reply:
    found, audience = _found(request), reader(request)
    return _listed(request, found, [views.detail(row, audience) for row in found], "flavors/detail")


def show(request: ApiRequest, flavor_id: str) -> Reply:
    return _one(request, flavors.show(request.services, request.context, flavor_id))


def create(request: ApiRequest) -> Reply:
    validate(request.body, _create_schema(request.version))
    return _one(request, flavors.create(request.services, _values(request.body["flavor"])))


def update(request: ApiRequest, flavor_id: str) -> Reply:
    validate(request.body, schemas.UPDATE_255)
    return _one(request, flavors.describe(request.services, flavor_id, request.body["flavor"]["description"]))


def delete(request: ApiRequest, flavor_id: str) -> Reply:
    flavors.delete(request.services, flavor_id)
    return Reply(status=202)


def list_specs(request: ApiRequest, flavor_id: str) -> Reply:
    return Reply({"extra_specs": flavors.show(request.services, request.context, flavor_id).extra_specs})


def add_specs(request: ApiRequest, flavor_id: str) -> Reply:
    validate(request.body, schemas.EXTRA_SPECS)
    specs = {key: str(value) for key, value in request.body["extra_specs"].items()}
    _check_specs(request, specs)
    flavors.add_extra_specs(request.services, flavor_id, specs)
    return Reply({"extra_specs": specs})


def show_spec(request: ApiRequest, flavor_id: str, key: str) -> Reply:
    return Reply({key: flavors.extra_spec(request.services, request.context, flavor_id, key)})


def put_spec(request: ApiRequest, flavor_id: str, key: str) -> Reply:
    validate(request.body, schemas.EXTRA_SPEC)
    if key not in request.body:
        raise InvalidRequest("Request body and URI mismatch")
    spec = {key: str(request.body[key])}
    _check_specs(request, spec)
    flavors.add_extra_specs(request.services, flavor_id, spec)
    return Reply(spec)


def _check_specs(request: ApiRequest, specs: dict[str, str]) -> None:
    if request.version >= Microversion(2, 86):
        extra_specs.check(specs)


def delete_spec(request: ApiRequest, flavor_id: str, key: str) -> Reply:
    flavors.delete_extra_spec(request.services, flavor_id, key)
    return Reply()


def list_access(request: ApiRequest, flavor_id: str) -> Reply:
    return Reply(views.access(flavor_id, flavors.access(request.services, request.context, flavor_id)))


def add_access(request: ApiRequest, flavor_id: str) -> Reply:
    validate(request.body, schemas.ADD_ACCESS)
    tenant = request.body["addTenantAccess"]["tenant"]
    return Reply(views.access(flavor_id, flavors.grant(request.services, request.context, flavor_id, tenant)))


def remove_access(request: ApiRequest, flavor_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_ACCESS)
    tenant = request.body["removeTenantAccess"]["tenant"]
    return Reply(views.access(flavor_id, flavors.revoke(request.services, request.context, flavor_id, tenant)))


def _create_schema(version: Microversion) -> Schema:
    if version >= _WITHOUT_FACTOR:
        return schemas.CREATE_2102
    return schemas.CREATE_255 if version >= Microversion(2, 55) else schemas.CREATE


def _found(request: ApiRequest) -> list[Flavor]:
    wanted = FlavorFilter(
        is_public=_is_public(request),
        min_root_gib=min(query.number(request, "minDisk", 0), 2**31 - 1),
        min_memory_mib=min(query.number(request, "minRam", 0), 2**31 - 1),
    )
    if request.version >= _WITHOUT_FACTOR:
        wanted = replace(wanted, name=query.text(request, "name"))
    query.check_directions(request)
    page = query.page(request, ignored=_IGNORED_SORT_KEYS, default_dir="asc")
    return flavors.list_page(request.services, request.context, wanted, page)


def _is_public(request: ApiRequest) -> bool | None:
    """Administrators choose by is_public (none: all); others get what they may use."""
    text = query.text(request, "is_public")
    if not request.context.is_admin or text is None:
        return True
    return None if text.lower() == "none" else query.boolean(request, "is_public", True)


def _listed(request: ApiRequest, found: list[Flavor], bodies: list[dict[str, Any]], noun: str) -> Reply:
    more = links.next_page(request, noun, [row.id for row in found])
    return Reply({"flavors": bodies, **({"flavors_links": more} if more else {})})


def _one(request: ApiRequest, row: Flavor) -> Reply:
    return Reply({"flavor": views.detail(row, reader(request))})


def _values(flavor: dict[str, Any]) -> dict[str, Any]:
    asked = flavor.get("id")
    return {
        "id": None if asked in (None, "auto") else str(asked),
        "name": flavor["name"],
        "description": flavor.get("description"),
        "memory_mib": int(flavor["ram"]),
        "vcpus": int(flavor["vcpus"]),
        "root_gib": int(flavor["disk"]),
        "ephemeral_gib": int(flavor.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        "swap_mib": int(flavor.get("swap", 0)),
        "rxtx_factor": float(flavor.get("rxtx_factor", 1.0)),
        "is_public": as_boolean(flavor.get("os-flavor-access:is_public", True)),
    }
