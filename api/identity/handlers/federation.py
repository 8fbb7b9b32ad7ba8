"""/OS-FEDERATION: identity providers with their protocols, mappings, service providers."""

from __future__ import annotations

from typing import Any

from api.identity import listing
from api.identity.operations import federation as operations
from api.identity.schemas.federation import CREATE_IDP, CREATE_SP, MAPPING, PROTOCOL, UPDATE_IDP, UPDATE_SP
from api.identity.views import federation as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest

_MAX_ID = 64


def list_idps(request: ApiRequest) -> Reply:
    rows = operations.list_idps(request.services, _filters(request), listing.page_of(request))
    return listing.listed(request, "identity_providers", rows, views.idp, lambda idp: idp.row.id)


def show_idp(request: ApiRequest, idp_id: str) -> Reply:
    return Reply({"identity_provider": views.idp(operations.show_idp(request.services, idp_id), request.base_url)})


def create_idp(request: ApiRequest, idp_id: str) -> Reply:
    validate(request.body, CREATE_IDP)
    made = operations.create_idp(request.services, _new_id(idp_id), request.body["identity_provider"])
    return Reply({"identity_provider": views.idp(made, request.base_url)}, 201)


def update_idp(request: ApiRequest, idp_id: str) -> Reply:
    validate(request.body, UPDATE_IDP)
    changed = operations.update_idp(request.services, idp_id, request.body["identity_provider"])
    return Reply({"identity_provider": views.idp(changed, request.base_url)})


def delete_idp(request: ApiRequest, idp_id: str) -> Reply:
    operations.delete_idp(request.services, idp_id)
    return Reply(status=204)


def list_protocols(request: ApiRequest, idp_id: str) -> Reply:
    rows = operations.list_protocols(request.services, idp_id)
    return listing.collection(request, "protocols", (views.protocol(row, request.base_url) for row in rows))


def show_protocol(request: ApiRequest, idp_id: str, protocol_id: str) -> Reply:
    row = operations.show_protocol(request.services, idp_id, protocol_id)
    return Reply({"protocol": views.protocol(row, request.base_url)})


def create_protocol(request: ApiRequest, idp_id: str, protocol_id: str) -> Reply:
    validate(request.body, PROTOCOL)
    mapping_id = request.body["protocol"]["mapping_id"]
    row = operations.create_protocol(request.services, idp_id, _new_id(protocol_id), mapping_id)
    return Reply({"protocol": views.protocol(row, request.base_url)}, 201)


def update_protocol(request: ApiRequest, idp_id: str, protocol_id: str) -> Reply:
    validate(request.body, PROTOCOL)
    row = operations.update_protocol(request.services, idp_id, protocol_id, request.body["protocol"]["mapping_id"])
    return Reply({"protocol": views.protocol(row, request.base_url)})


def delete_protocol(request: ApiRequest, idp_id: str, protocol_id: str) -> Reply:
    operations.delete_protocol(request.services, idp_id, protocol_id)
    return Reply(status=204)


def list_mappings(request: ApiRequest) -> Reply:
    rows = operations.list_mappings(request.services, listing.page_of(request))
    return listing.listed(request, "mappings", rows, views.mapping, lambda row: row.id)


def show_mapping(request: ApiRequest, mapping_id: str) -> Reply:
    return Reply({"mapping": views.mapping(operations.show_mapping(request.services, mapping_id), request.base_url)})


def create_mapping(request: ApiRequest, mapping_id: str) -> Reply:
    validate(request.body, MAPPING)
    row = operations.create_mapping(request.services, _new_id(mapping_id), request.body["mapping"]["rules"])
    return Reply({"mapping": views.mapping(row, request.base_url)}, 201)


def update_mapping(request: ApiRequest, mapping_id: str) -> Reply:
    validate(request.body, MAPPING)
    row = operations.update_mapping(request.services, mapping_id, request.body["mapping"]["rules"])
    return Reply({"mapping": views.mapping(row, request.base_url)})


def delete_mapping(request: ApiRequest, mapping_id: str) -> Reply:
    operations.delete_mapping(request.services, mapping_id)
    return Reply(status=204)


def list_sps(request: ApiRequest) -> Reply:
    rows = operations.list_sps(request.services, _filters(request), listing.page_of(request))
    return listing.listed(request, "service_providers", rows, views.sp, lambda row: row.id)


def show_sp(request: ApiRequest, sp_id: str) -> Reply:
    return Reply({"service_provider": views.sp(operations.show_sp(request.services, sp_id), request.base_url)})


def create_sp(request: ApiRequest, sp_id: str) -> Reply:
    validate(request.body, CREATE_SP)
    row = operations.create_sp(request.services, _new_id(sp_id), request.body["service_provider"])
    return Reply({"service_provider": views.sp(row, request.base_url)}, 201)


def update_sp(request: ApiRequest, sp_id: str) -> Reply:
    validate(request.body, UPDATE_SP)
    row = operations.update_sp(request.services, sp_id, request.body["service_provider"])
    return Reply({"service_provider": views.sp(row, request.base_url)})


def delete_sp(request: ApiRequest, sp_id: str) -> Reply:
    operations.delete_sp(request.services, sp_id)
    return Reply(status=204)


def _filters(request: ApiRequest) -> dict[str, Any]:
    return listing.text_filters(request, "id") | listing.enabled_filter(request)


def _new_id(given: str) -> str:
    """Clients choose these ids, in the path. Raises InvalidRequest."""
    if len(given) > _MAX_ID or not given.isprintable():
        raise InvalidRequest(f"An id has at most {_MAX_ID} printable characters.")
    return given
