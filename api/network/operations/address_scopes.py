"""What requests about address scopes mean: within one, subnet pools don't overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.operations.shareable import Shown
from api.request import ApiRequest
from common.db import sharing
from common.db.models import AddressScope, SubnetPool
from common.db.rbac_policies import ADDRESS_SCOPE
from common.db.upsert import insert
from common.errors import Conflict, InvalidRequest
from common.ids import new_id

COLUMNS: shareable.Columns = {
    "id": AddressScope.id,
    "project_id": AddressScope.project_id,
    "name": AddressScope.name,
    "ip_version": AddressScope.ip_version,
}


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[Shown]:
    """All or none."""

    def work(session: Session) -> list[Shown]:
        rows = []
        for body in bodies:
            version = int(body.get("ip_version", 4))
            row = AddressScope(id=new_id(), project_id=body["project_id"], name=body["name"], ip_version=version)
            insert(session, row)
            if body.get("shared"):
                shareable.share(session, ADDRESS_SCOPE, row, body)
            rows.append(row)
        return shareable.shown(session, request, rows)

    return request.services.db.run(work)


def update(request: ApiRequest, scope_id: str, changes: dict[str, Any]) -> Shown:
    """Raises InvalidRequest when a scope would stop being shared: pools of others may be in it."""

    def work(session: Session) -> Shown:
        row = shareable.held(session, request, ADDRESS_SCOPE, scope_id, "update")
        if changes.get("shared") is False and shareable.shown(session, request, [row])[0].shared:
            raise InvalidRequest(
                f"Unable to update address scope {scope_id} : Shared address scope can't be unshared",
                neutron_type="AddressScopeUpdateError",
            )
        if changes.get("shared"):
            shareable.share(session, ADDRESS_SCOPE, row, changes)
        row.name = changes.get("name", row.name)
        session.flush()
        return shareable.shown(session, request, [row])[0]

    return request.services.db.run(work)


def delete(request: ApiRequest, scope_id: str) -> None:
    """Raises Conflict while a subnet pool is in it."""

    def work(session: Session) -> None:
        row = shareable.held(session, request, ADDRESS_SCOPE, scope_id, "delete")
        if sharing.is_named(session, SubnetPool.address_scope_id, scope_id):
            raise Conflict(
                f"Unable to complete operation on address scope {scope_id}. There are one or more subnet pools in use "
                f"on the address scope",
                neutron_type="AddressScopeInUse",
            )
        sharing.forget(session, scope_id)
        session.delete(row)

    request.services.db.run(work)
