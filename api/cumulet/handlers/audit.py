"""The audit: call, render."""

from __future__ import annotations

from api.cumulet.operations import audit
from api.cumulet.views.audit import audit_body
from api.request import ApiRequest, Reply


def resources(request: ApiRequest) -> Reply:
    return Reply(audit_body(audit.resources(request.services)))


def repair(request: ApiRequest) -> Reply:
    return Reply({"repaired_nodes": audit.repair(request.services)})
