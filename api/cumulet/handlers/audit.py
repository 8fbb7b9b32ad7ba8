"""The audit: parse, call, render."""

from __future__ import annotations

from api.cumulet.operations import audit
from api.cumulet.schemas import audit as schemas
from api.cumulet.views.audit import audit_body
from api.request import ApiRequest, Reply
from api.schema import validate


def resources(request: ApiRequest) -> Reply:
    return Reply(audit_body(audit.resources(request.services)))


def repair(request: ApiRequest) -> Reply:
    validate(request.body, schemas.REPAIR)
    return Reply({"repaired_nodes": audit.repair(request.services)})
