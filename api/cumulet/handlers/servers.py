"""Why a server is where it is."""

from __future__ import annotations

from api.cumulet.operations import explain
from api.request import ApiRequest, Reply


def why(request: ApiRequest, server_id: str) -> Reply:
    return Reply(explain.why(request.services, request.context, server_id))
