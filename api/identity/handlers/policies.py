"""/policies, and what follows them (OS-ENDPOINT-POLICY)."""

from __future__ import annotations

from typing import Any

from api.identity import listing
from api.identity.operations import policies as operations
from api.identity.schemas.policies import CREATE, UPDATE
from api.identity.views import catalog as catalog_views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.models import Policy
from common.db.policies import Target


def list_policies(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "type")
    rows = operations.list_policies(request.services, filters, listing.page_of(request))
    return listing.listed(request, "policies", rows, _shown, lambda row: row.id)


def show(request: ApiRequest, policy_id: str) -> Reply:
    return Reply({"policy": _shown(operations.show(request.services, policy_id), request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    return Reply({"policy": _shown(operations.create(request.services, request.body["policy"]), request.base_url)}, 201)


def update(request: ApiRequest, policy_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, policy_id, request.body["policy"])
    return Reply({"policy": _shown(row, request.base_url)})


def delete(request: ApiRequest, policy_id: str) -> Reply:
    operations.delete(request.services, policy_id)
    return Reply(status=204)


def associate(request: ApiRequest, policy_id: str, **target: str) -> Reply:
    operations.associate(request.services, policy_id, Target(**target))
    return Reply(status=204)


def check(request: ApiRequest, policy_id: str, **target: str) -> Reply:
    operations.check(request.services, policy_id, Target(**target))
    return Reply(status=204)


def dissociate(request: ApiRequest, policy_id: str, **target: str) -> Reply:
    operations.dissociate(request.services, policy_id, Target(**target))
    return Reply(status=204)


def policy_of(request: ApiRequest, endpoint_id: str) -> Reply:
    return Reply({"policy": _shown(operations.policy_of(request.services, endpoint_id), request.base_url)})


def list_endpoints(request: ApiRequest, policy_id: str) -> Reply:
    rows = operations.endpoints_of(request.services, policy_id)
    return listing.collection(request, "endpoints", (catalog_views.endpoint(row, request.base_url) for row in rows))


def _shown(row: Policy, base_url: str) -> dict[str, Any]:
    return {"id": row.id, "type": row.type, "blob": row.blob, "links": {"self": f"{base_url}/policies/{row.id}"}}
