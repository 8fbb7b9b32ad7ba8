"""Security groups and their rules: the default group, creation, deletion, duplicates, and lists.

A project's default group is made when it is first needed, exactly once: its unique key decides who makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import default_group_rules, network_state, network_tags, quotas, rbac_policies, sharing
from common.db.filters import Filters
from common.db.group_rules import NewRule, meaning
from common.db.models import PortSecurityGroup, SecurityGroup, SecurityGroupRule
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound
from common.ids import new_id

DEFAULT_NAME = "default"
DEFAULT_DESCRIPTION = "Default security group"

GROUP_COLUMNS = {
    "id": SecurityGroup.id,
    "project_id": SecurityGroup.project_id,
    "name": SecurityGroup.name,
    "description": SecurityGroup.description,
    "stateful": SecurityGroup.stateful,
    "revision_number": SecurityGroup.revision_number,
    "created_at": SecurityGroup.created_at,
    "updated_at": SecurityGroup.updated_at,
}
RULE_COLUMNS = {
    "id": SecurityGroupRule.id,
    "project_id": SecurityGroupRule.project_id,
    "security_group_id": SecurityGroupRule.security_group_id,
    "direction": SecurityGroupRule.direction,
    "ethertype": SecurityGroupRule.ethertype,
    "protocol": SecurityGroupRule.protocol,
    "port_range_min": SecurityGroupRule.port_range_min,
    "port_range_max": SecurityGroupRule.port_range_max,
    "remote_ip_prefix": SecurityGroupRule.remote_ip_prefix,
    "remote_group_id": SecurityGroupRule.remote_group_id,
    "remote_address_group_id": SecurityGroupRule.remote_address_group_id,
    "description": SecurityGroupRule.description,
    "revision_number": SecurityGroupRule.revision_number,
    "created_at": SecurityGroupRule.created_at,
    "updated_at": SecurityGroupRule.updated_at,
}


@dataclass(frozen=True)
class NewGroup:
    """default_of: the project whose default group this is; one per project."""

    project_id: str
    name: str
    description: str = ""
    stateful: bool = True
    default_of: str | None = None


def group_not_found(group_id: str) -> NotFound:
    return NotFound(f"Security group {group_id} does not exist", neutron_type="SecurityGroupNotFound")


def rule_not_found(rule_id: str) -> NotFound:
    return NotFound(f"Security group rule {rule_id} does not exist", neutron_type="SecurityGroupRuleNotFound")


def find_default(session: Session, project_id: str) -> str | None:
    """The id of the project's default group, if it has one yet."""
    return session.connection().execute(_DEFAULT_OF, {"project": project_id}).scalar()


#: of the project that the statement is executed with as `project`
_DEFAULT_OF = sa.select(SecurityGroup.id).where(SecurityGroup.default_of == sa.bindparam("project"))


def default_id() -> sa.ScalarSelect[str]:
    """As `find_default`, for a statement that asks for something else besides."""
    return _DEFAULT_OF.scalar_subquery()


def ensure_default(session: Session, project_id: str, now: datetime) -> str:
    """The id of the project's default group, made with the rules of the template if it doesn't exist."""
    found = find_default(session, project_id)
    if found is not None:
        return found
    group_id = new_id()
    new = NewGroup(project_id, DEFAULT_NAME, DEFAULT_DESCRIPTION, default_of=project_id)
    made = insert_ignore(session, SecurityGroup, [_group_row(group_id, new, now)])
    if not made:
        return str(find_default(session, project_id))
    rules = default_group_rules.for_group(session, group_id, default=True)
    _insert_rules(session, group_id, project_id, rules, now)
    quotas.count(session, project_id, {"security_group": 1, "security_group_rule": len(rules)})
    return group_id


def create(session: Session, new: NewGroup, now: datetime, limits: Mapping[str, int]) -> SecurityGroup:
    """A group with the rules that every group begins with. Raises QuotaExceeded."""
    group_id = new_id()
    rules = default_group_rules.for_group(session, group_id, default=False)
    quotas.take(session, new.project_id, {"security_group": 1, "security_group_rule": len(rules)}, limits)
    group = SecurityGroup(**_group_row(group_id, new, now))
    session.add(group)
    session.flush()
    _insert_rules(session, group.id, new.project_id, rules, now)
    return group


def get_visible(session: Session, group_id: str, context: RequestContext, *, lock: bool = False) -> SecurityGroup:
    """Raises NotFound, in the same words for a stranger's group and for none."""
    kind = rbac_policies.SECURITY_GROUP
    group: SecurityGroup = sharing.get_visible(session, kind, group_id, context, lock=lock)
    return group


def check_usable(session: Session, group_ids: Sequence[str], context: RequestContext) -> tuple[str, ...]:
    """The ids without repetition, if the caller may put ports into all these groups. Raises NotFound."""
    wanted = tuple(dict.fromkeys(group_ids))
    usable = sharing.visible(rbac_policies.SECURITY_GROUP, context)
    allowed = set(session.scalars(sa.select(SecurityGroup.id).where(SecurityGroup.id.in_(wanted), usable)))
    for group_id in wanted:
        if group_id not in allowed:
            raise group_not_found(group_id)
    return wanted


def by_names(session: Session, project_id: str, names: Sequence[str]) -> dict[str, list[str]]:
    """Ids of a project's groups by name or id, for the compute API, which takes both; one statement."""
    rows = session.execute(
        sa.select(SecurityGroup.id, SecurityGroup.name).where(
            SecurityGroup.project_id == project_id,
            sa.or_(SecurityGroup.name.in_(names), SecurityGroup.id.in_(names)),
        )
    )
    found: dict[str, list[str]] = {name: [] for name in names}
    for group_id, name in rows:
        for key in {group_id, name} & set(names):
            found[key].append(group_id)
    return found


def hold(session: Session, group_ids: Sequence[str]) -> None:
    """Keep groups from being deleted until the transaction ends. Raises NotFound for one that is gone."""
    found = set(
        session.scalars(
            sa.select(SecurityGroup.id)
            .where(SecurityGroup.id.in_(group_ids))
            .with_for_update(read=True, key_share=True)
        )
    )
    for group_id in group_ids:
        if group_id not in found:
            raise group_not_found(group_id)


def list_groups(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[SecurityGroup]:
    kind = rbac_policies.SECURITY_GROUP
    return sharing.list_(session, kind, GROUP_COLUMNS, context, filters, page)


def delete(session: Session, group: SecurityGroup, *, even_default: bool = False) -> None:
    """Raises Conflict for a group that a port is in, and for a default group unless an administrator removes it."""
    if group.default_of is not None and not even_default:
        raise Conflict(
            "Insufficient rights for removing default security group.", neutron_type="SecurityGroupCannotRemoveDefault"
        )
    session.scalar(sa.select(SecurityGroup.id).where(SecurityGroup.id == group.id).with_for_update())
    if session.scalar(sa.select(sa.exists().where(PortSecurityGroup.security_group_id == group.id))):
        raise in_use(group.id)
    _delete_rules_naming(session, group.id)
    gone = session.execute(
        sa.delete(SecurityGroup).where(SecurityGroup.id == group.id).execution_options(synchronize_session=False)
    )
    if gone.rowcount:  # type: ignore[attr-defined]
        quotas.release(session, group.project_id, {"security_group": 1})
        sharing.forget(session, group.id)


def in_use(group_id: str) -> Conflict:
    return Conflict(f"Security Group {group_id} in use.", neutron_type="SecurityGroupInUse")


def _delete_rules_naming(session: Session, group_id: str) -> None:
    """A group's own rules and those of others that name it as remote go with it, and their quota is given back."""
    rows = session.execute(
        sa.delete(SecurityGroupRule)
        .where(sa.or_(SecurityGroupRule.security_group_id == group_id, SecurityGroupRule.remote_group_id == group_id))
        .returning(SecurityGroupRule.project_id, SecurityGroupRule.security_group_id)
        .execution_options(synchronize_session=False)
    ).all()
    by_project: dict[str, int] = {}
    for project_id, _ in rows:
        by_project[project_id] = by_project.get(project_id, 0) + 1
    for project_id in sorted(by_project):
        quotas.release(session, project_id, {"security_group_rule": by_project[project_id]})
    network_state.touch_for_rules(session, {owner for _, owner in rows if owner != group_id})


def rules_of(session: Session, group_ids: Sequence[str]) -> dict[str, list[SecurityGroupRule]]:
    """The rules by group; one statement."""
    found: dict[str, list[SecurityGroupRule]] = {group_id: [] for group_id in group_ids}
    rows = session.scalars(
        sa.select(SecurityGroupRule)
        .where(SecurityGroupRule.security_group_id.in_(group_ids))
        .order_by(SecurityGroupRule.created_at, SecurityGroupRule.id)
    )
    for row in rows:
        found[row.security_group_id].append(row)
    return found


def add_rules(
    session: Session, group: SecurityGroup, rules: Sequence[NewRule], now: datetime, limits: Mapping[str, int]
) -> list[SecurityGroupRule]:
    """Add rules to a group whose row the caller holds. Raises Conflict for a duplicate, QuotaExceeded."""
    quotas.take(session, group.project_id, {"security_group_rule": len(rules)}, limits)
    known = {meaning(row): row.id for row in rules_of(session, [group.id])[group.id]}
    for rule in rules:
        same = meaning(rule)
        if same in known:
            raise Conflict(
                f"Security group rule already exists. Rule id is {known[same]}.",
                neutron_type="SecurityGroupRuleExists",
            )
        known[same] = "in the same request"
    made = _insert_rules(session, group.id, group.project_id, rules, now)
    _revise(session, group.id, now)
    network_state.touch_for_rules(session, [group.id])
    return made


def get_rule(session: Session, rule_id: str, context: RequestContext) -> SecurityGroupRule:
    """Raises NotFound, in the same words for a stranger's rule and for none."""
    rule = session.scalar(sa.select(SecurityGroupRule).where(SecurityGroupRule.id == rule_id, _rules_seen(context)))
    if rule is None:
        raise rule_not_found(rule_id)
    return rule


def list_rules(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[SecurityGroupRule]:
    query = sa.select(SecurityGroupRule).where(_rules_seen(context))
    return fetch(
        session,
        network_tags.narrow(query, RULE_COLUMNS, filters),
        page,
        columns=RULE_COLUMNS,
        default=(("id", False),),
        key=SecurityGroupRule.id,
    )


def _rules_seen(context: RequestContext) -> sa.ColumnElement[bool]:
    """A rule is seen with its group."""
    if context.is_admin:
        return sa.true()
    groups = sa.select(SecurityGroup.id).where(sharing.visible(rbac_policies.SECURITY_GROUP, context))
    return SecurityGroupRule.security_group_id.in_(groups)


def default_ids(session: Session, group_ids: Sequence[str]) -> set[str]:
    """Those of the groups that are some project's default."""
    return set(
        session.scalars(
            sa.select(SecurityGroup.id).where(SecurityGroup.id.in_(group_ids), SecurityGroup.default_of.is_not(None))
        )
    )


def delete_rule(session: Session, rule: SecurityGroupRule, now: datetime) -> bool:
    """False when it was gone already. Its group is locked first, as when rules are added."""
    session.scalar(
        sa.select(SecurityGroup.id).where(SecurityGroup.id == rule.security_group_id).with_for_update(key_share=True)
    )
    gone = session.execute(
        sa.delete(SecurityGroupRule).where(SecurityGroupRule.id == rule.id).execution_options(synchronize_session=False)
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        return False
    quotas.release(session, rule.project_id, {"security_group_rule": 1})
    network_tags.forget(session, [rule.id])
    _revise(session, rule.security_group_id, now)
    network_state.touch_for_rules(session, [rule.security_group_id])
    return True


def update(session: Session, group: SecurityGroup, changes: Mapping[str, Any], now: datetime) -> None:
    """Write name, description, stateful. Raises Conflict when statefulness of a group in use would change."""
    if changes.get("stateful", group.stateful) != group.stateful and session.scalar(
        sa.select(sa.exists().where(PortSecurityGroup.security_group_id == group.id))
    ):
        raise in_use(group.id)
    for key, value in changes.items():
        setattr(group, key, value)
    group.revision_number += 1
    group.updated_at = now
    session.flush()


def check_name_free(name: str) -> None:
    """Raises Conflict: a project has one group of the name `default`, and the cloud makes it."""
    if name.lower() == DEFAULT_NAME:
        raise Conflict("Default security group already exists.", neutron_type="SecurityGroupDefaultAlreadyExists")


def _group_row(group_id: str, new: NewGroup, now: datetime) -> dict[str, Any]:
    return {
        "id": group_id,
        "project_id": new.project_id,
        "default_of": new.default_of,
        "name": new.name,
        "description": new.description,
        "stateful": new.stateful,
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
    }


def _insert_rules(
    session: Session,
    group_id: str,
    project_id: str,
    rules: Sequence[NewRule],
    now: datetime,
) -> list[SecurityGroupRule]:
    made = [
        SecurityGroupRule(
            id=new_id(),
            security_group_id=group_id,
            project_id=project_id,
            description=rule.description,
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_range_min,
            port_range_max=rule.port_range_max,
            remote_ip_prefix=rule.remote_ip_prefix,
            remote_group_id=rule.remote_group_id,
            remote_address_group_id=rule.remote_address_group_id,
            revision_number=0,
            created_at=now,
            updated_at=now,
        )
        for rule in rules
    ]
    session.add_all(made)
    session.flush()
    return made


def _revise(session: Session, group_id: str, now: datetime) -> None:
    session.execute(
        sa.update(SecurityGroup)
        .where(SecurityGroup.id == group_id)
        .values(revision_number=SecurityGroup.revision_number + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
