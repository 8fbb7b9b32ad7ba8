"""Why a server is where it is, and where its packets would go."""

from __future__ import annotations

from api.cumulet.operations import explain
from api.cumulet.operations import trace as tracing
from api.cumulet.schemas import trace as asking
from api.request import ApiRequest, Reply


def why(request: ApiRequest, server_id: str) -> Reply:
    return Reply(explain.why(request.services, request.context, server_id))


def trace(request: ApiRequest, server_id: str) -> Reply:
    tracing.check(request.services, request.context, server_id)  # first: who may not see it learns nothing else
    asked = asking.asked(request, server_id)
    return Reply({"trace": tracing.find(request.services, request.context, asked)})
