"""What requests about QoS policies and their rules mean; nodes with ports that a policy binds learn of its changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.operations.shareable import Shown
from api.network.problems import check_revision, not_allowed
from api.request import ApiRequest
from common.db import qos, qos_rules, sharing
from common.db.filters import Filters
from common.db.models import QosPolicy, QosRule
from common.db.paging import Page
from common.db.qos import RuleKind
from common.db.rbac_policies import QOS_POLICY
from common.db.upsert import insert
from common.errors import Conflict, NotFound
from common.ids import new_id

COLUMNS: shareable.Columns = {
    "id": QosPolicy.id,
    "project_id": QosPolicy.project_id,
    "name": QosPolicy.name,
    "description": QosPolicy.description,
    "revision_number": QosPolicy.revision_number,
    "created_at": QosPolicy.created_at,
    "updated_at": QosPolicy.updated_at,
}


@dataclass(frozen=True)
class ShownPolicy:
    item: Shown
    rules: Sequence[QosRule]


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownPolicy]:
    """All or none."""
    if not request.context.is_admin:
        raise not_allowed("create_policy")
    now = request.services.clock.now()

    def work(session: Session) -> list[ShownPolicy]:
        rows = []
        for body in bodies:
            row = QosPolicy(
                id=new_id(),
                project_id=body["project_id"],
                name=body["name"],
                description=body.get("description", ""),
                revision_number=0,
                created_at=now,
                updated_at=now,
            )
            _set_default(session, row, wanted=body.get("is_default", False))
            insert(session, row)
            if body.get("shared"):
                shareable.share(session, QOS_POLICY, row, body)
            rows.append(row)
        return _shown(session, request, rows)

    return request.services.db.run(work)


def _set_default(session: Session, row: QosPolicy, *, wanted: bool) -> None:
    holder = qos.default_of(session, row.project_id) if wanted else None
    if holder not in (None, row.id):
        raise Conflict(
            f"A default QoS policy exists for project {row.project_id}: {holder}.",
            neutron_type="QoSPolicyDefaultAlreadyExists",
        )
    row.default_of = row.project_id if wanted else None


def _shown(session: Session, request: ApiRequest, rows: Sequence[QosPolicy]) -> list[ShownPolicy]:
    rules = qos_rules.rules_of(session, [row.id for row in rows])
    return [ShownPolicy(item, rules[item.row.id]) for item in shareable.shown(session, request, rows)]


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownPolicy]:
    with request.services.db.read() as session:
        rows = sharing.list_(session, QOS_POLICY, COLUMNS, request.context, filters, page)
        return _shown(session, request, rows)


def show(request: ApiRequest, policy_id: str) -> ShownPolicy:
    with request.services.db.read() as session:
        return _shown(session, request, [sharing.get_visible(session, QOS_POLICY, policy_id, request.context)])[0]


def update(request: ApiRequest, policy_id: str, changes: dict[str, Any]) -> ShownPolicy:
    def work(session: Session) -> ShownPolicy:
        row = _held(session, request, policy_id, "update_policy")
        if "is_default" in changes:
            _set_default(session, row, wanted=changes["is_default"])
        shareable.share(session, QOS_POLICY, row, changes)
        named: dict[str, Any] = {name: changes[name] for name in ("name", "description") if name in changes}
        shareable.change(session, request, row, named)
        return _shown(session, request, [row])[0]

    return request.services.db.run(work)


def _held(session: Session, request: ApiRequest, policy_id: str, policy: str) -> QosPolicy:
    """Only administrators write policies; a project that doesn't see one isn't told that it is there."""
    row: QosPolicy = sharing.get_visible(session, QOS_POLICY, policy_id, request.context, lock=True)
    if not request.context.is_admin:
        raise not_allowed(policy)
    check_revision(request.headers, row.revision_number)
    return row


def delete(request: ApiRequest, policy_id: str) -> None:
    """Raises Conflict while a network or port is bound by it."""

    def work(session: Session) -> None:
        row = _held(session, request, policy_id, "delete_policy")
        qos.check_unused(session, policy_id)
        sharing.forget(session, policy_id)
        session.delete(row)

    request.services.db.run(work)


def list_rules(request: ApiRequest, policy_id: str, kind: RuleKind) -> list[QosRule]:
    return [rule for rule in show(request, policy_id).rules if rule.kind == kind]


def show_rule(request: ApiRequest, policy_id: str, kind: RuleKind, rule_id: str) -> QosRule:
    with request.services.db.read() as session:
        sharing.get_visible(session, QOS_POLICY, policy_id, request.context)
        return qos.get_rule(session, policy_id, kind, rule_id)


def policy_of(request: ApiRequest, kind: RuleKind, rule_id: str) -> str:
    """The policy of a rule named alone. Raises NotFound, in the same words for one that the caller doesn't see."""
    with request.services.db.read() as session:
        policy_id = qos.policy_of(session, kind, rule_id)
        try:
            sharing.get_visible(session, QOS_POLICY, policy_id, request.context)
        except NotFound as err:
            raise qos.rule_not_found("any", rule_id) from err
        return policy_id


def create_rule(request: ApiRequest, policy_id: str, kind: RuleKind, values: dict[str, Any]) -> QosRule:
    """`values`: columns. Raises Conflict when the policy has such a rule, or a node can't promise what it asks."""

    def work(session: Session) -> QosRule:
        policy = _held(session, request, policy_id, f"create_policy_{kind}_rule")
        rule = QosRule(id=new_id(), policy_id=policy_id, kind=kind.value, **values)
        qos.check_beside(session, rule)
        insert(session, rule)
        _changed(session, request, policy, kind)
        return rule

    return request.services.db.run(work)


def update_rule(request: ApiRequest, policy_id: str, kind: RuleKind, rule_id: str, values: dict[str, Any]) -> QosRule:
    def work(session: Session) -> QosRule:
        policy = _held(session, request, policy_id, f"update_policy_{kind}_rule")
        rule = qos.get_rule(session, policy_id, kind, rule_id)
        with session.no_autoflush:
            for name, value in values.items():
                setattr(rule, name, value)
            qos.check_beside(session, rule)
        _changed(session, request, policy, kind)
        return rule

    return request.services.db.run(work)


def delete_rule(request: ApiRequest, policy_id: str, kind: RuleKind, rule_id: str) -> None:
    def work(session: Session) -> None:
        policy = _held(session, request, policy_id, f"delete_policy_{kind}_rule")
        session.delete(qos.get_rule(session, policy_id, kind, rule_id))
        _changed(session, request, policy, kind)

    request.services.db.run(work)


def _changed(session: Session, request: ApiRequest, policy: QosPolicy, kind: RuleKind) -> None:
    """Raises Conflict when a node can't promise what rules of a minimum now ask of it."""
    shareable.change(session, request, policy, {})
    qos.claim(session, policy.id, kind)
    qos.touch(session, policy.id)
