"""What requests about RBAC policies mean: the owner of an object says which other projects may see and use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import invalid, neutron_quota, not_allowed
from api.request import ApiRequest
from common.db import network_quota, rbac_policies, sharing
from common.db.filters import Filters
from common.db.models import RbacPolicy
from common.db.paging import Page
from common.db.rbac_policies import KINDS
from common.db.sharing import EVERYBODY, Action


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[RbacPolicy]:
    """All or none."""
    limits = network_quota.defaults(request.services.config.quota)

    def work(session: Session) -> list[RbacPolicy]:
        return [_create(session, request, body, limits) for body in bodies]

    with neutron_quota():
        return request.services.db.run(work)


def _create(session: Session, request: ApiRequest, body: dict[str, Any], limits: dict[str, int]) -> RbacPolicy:
    kind = KINDS.get(body["object_type"])
    if kind is None:
        raise invalid(f"'{body['object_type'][:40]}' is not a valid RBAC object type.")
    if body["action"] not in rbac_policies.actions_of(kind.object_type):
        raise invalid(
            f"Invalid action '{body['action'][:40]}' for object type '{kind.object_type}'. Valid actions: "
            f"{', '.join(rbac_policies.actions_of(kind.object_type))}"
        )
    target = _target(request, body, "create")
    row = sharing.get_visible(session, kind, body["object_id"], request.context, lock=True)
    if not request.context.owns(row.project_id):
        raise invalid("Only admins can manipulate policies on objects they do not own")
    return rbac_policies.create(session, kind, row, Action(body["action"]), target, limits, body["project_id"])


def _target(request: ApiRequest, body: dict[str, Any], verb: str) -> str:
    target = str(body.get("target_tenant") or body.get("target_project") or "")
    if not target:
        raise invalid("target_tenant is missing: name a project, or '*' for all.")
    if target == EVERYBODY and not request.context.is_admin:
        raise not_allowed(f"{verb}_rbac_policy:target_tenant")
    return target


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[RbacPolicy]:
    with request.services.db.read() as session:
        return rbac_policies.list_(session, request.context, filters, page)


def show(request: ApiRequest, policy_id: str) -> RbacPolicy:
    with request.services.db.read() as session:
        return rbac_policies.get(session, policy_id, request.context)


def update(request: ApiRequest, policy_id: str, changes: dict[str, Any]) -> RbacPolicy:
    target = _target(request, changes, "update")

    def work(session: Session) -> RbacPolicy:
        row = rbac_policies.get(session, policy_id, request.context, lock=True)
        rbac_policies.retarget(session, row, target)
        return row

    return request.services.db.run(work)


def delete(request: ApiRequest, policy_id: str) -> None:
    def work(session: Session) -> None:
        rbac_policies.delete(session, rbac_policies.get(session, policy_id, request.context, lock=True))

    request.services.db.run(work)
