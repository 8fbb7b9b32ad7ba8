"""The rules that new security groups begin with: a template that administrators change.

An empty table means the four rules that OpenStack begins with; the first change writes them down, and one of them that
is deleted stays as a row that is used nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.filters import Filters, apply
from common.db.group_rules import NewRule, meaning
from common.db.models import DefaultGroupRule
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound
from common.ids import new_id

#: stands for the group that the rule is made in
PARENT = "PARENT"
COLUMNS = {
    "id": DefaultGroupRule.id,
    "description": DefaultGroupRule.description,
    "direction": DefaultGroupRule.direction,
    "ethertype": DefaultGroupRule.ethertype,
    "protocol": DefaultGroupRule.protocol,
    "port_range_min": DefaultGroupRule.port_range_min,
    "port_range_max": DefaultGroupRule.port_range_max,
    "remote_ip_prefix": DefaultGroupRule.remote_ip_prefix,
    "remote_address_group_id": DefaultGroupRule.remote_address_group_id,
    "used_in_default_sg": DefaultGroupRule.in_default,
    "used_in_non_default_sg": DefaultGroupRule.in_others,
}


@dataclass(frozen=True)
class TemplateRule:
    """rule.remote_group_id is PARENT or None. in_default: for projects' default groups; in_others: for all others."""

    id: str
    rule: NewRule
    in_default: bool
    in_others: bool


def _original() -> list[TemplateRule]:
    out, into = "Legacy default SG rule for egress traffic", "Legacy default SG rule for ingress traffic"
    kinds = ("IPv4", "IPv6")
    rules = [
        *(TemplateRule("", NewRule("egress", kind, description=out), True, True) for kind in kinds),
        *(
            TemplateRule("", NewRule("ingress", kind, remote_group_id=PARENT, description=into), True, False)
            for kind in kinds
        ),
    ]
    return [replace(rule, id=f"00000000-0000-4000-8000-{number:012d}") for number, rule in enumerate(rules, 1)]


def for_group(session: Session, group_id: str, *, default: bool) -> list[NewRule]:
    """What a new group begins with. `default`: it is its project's default group."""
    rows = [_value(row) for row in session.scalars(sa.select(DefaultGroupRule).order_by(DefaultGroupRule.id))]
    used = [each for each in rows or _original() if (each.in_default if default else each.in_others)]
    return [_in_group(each.rule, group_id) for each in used]


def _in_group(rule: NewRule, group_id: str) -> NewRule:
    return replace(rule, remote_group_id=group_id if rule.remote_group_id else None, description="")


def _value(row: DefaultGroupRule) -> TemplateRule:
    rule = NewRule(
        direction=row.direction,
        ethertype=row.ethertype,
        protocol=row.protocol,
        port_range_min=row.port_range_min,
        port_range_max=row.port_range_max,
        remote_ip_prefix=row.remote_ip_prefix,
        remote_group_id=PARENT if row.remote_parent else None,
        description=row.description,
        remote_address_group_id=row.remote_address_group_id,
    )
    return TemplateRule(row.id, rule, row.in_default, row.in_others)


def write_down(session: Session) -> None:
    """Make the original rules rows, if the template was never touched."""
    if session.scalar(sa.select(DefaultGroupRule.id).limit(1)) is None:
        insert_ignore(session, DefaultGroupRule, [_row(each) for each in _original()])


def _row(each: TemplateRule) -> dict[str, object]:
    values = asdict(each.rule)
    parent = values.pop("remote_group_id") is not None
    shown = {"id": each.id, "remote_parent": parent, "in_default": each.in_default, "in_others": each.in_others}
    return {**values, **shown}


def list_(session: Session, filters: Filters, page: Page) -> list[TemplateRule]:
    query = sa.select(DefaultGroupRule).where(DefaultGroupRule.in_default | DefaultGroupRule.in_others)
    if "remote_group_id" in filters:
        query = query.where(DefaultGroupRule.remote_parent.is_(PARENT in filters["remote_group_id"]))
    query = apply(query, COLUMNS, filters)
    rows = fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=DefaultGroupRule.id)
    return [_value(row) for row in rows]


def get(session: Session, rule_id: str) -> TemplateRule:
    """Raises NotFound."""
    row = session.get(DefaultGroupRule, rule_id)
    if row is None or not (row.in_default or row.in_others):
        raise NotFound(
            f"Default Security Group rule {rule_id} does not exist", neutron_type="DefaultSecurityGroupRuleNotFound"
        )
    return _value(row)


def add(session: Session, rules: Sequence[TemplateRule]) -> list[TemplateRule]:
    """Raises Conflict for a rule that is there for the same kind of group."""
    known = [_value(row) for row in session.scalars(sa.select(DefaultGroupRule).with_for_update())]
    made = []
    for rule in rules:
        for other in known:
            same = meaning(other.rule) == meaning(rule.rule)
            if same and ((other.in_default and rule.in_default) or (other.in_others and rule.in_others)):
                raise Conflict(
                    f"Default Security group rule already exists. Rule id is {other.id}.",
                    neutron_type="DefaultSecurityGroupRuleExists",
                )
        new = replace(rule, id=new_id())
        known.append(new)
        made.append(new)
    session.add_all([DefaultGroupRule(**_row(each)) for each in made])
    session.flush()
    return made


def delete(session: Session, rule_id: str) -> None:
    """Raises NotFound."""
    get(session, rule_id)
    session.execute(
        sa.update(DefaultGroupRule)
        .where(DefaultGroupRule.id == rule_id)
        .values(in_default=False, in_others=False, remote_address_group_id=None)
    )
    originals = [each.id for each in _original()]
    session.execute(
        sa.delete(DefaultGroupRule).where(DefaultGroupRule.id == rule_id, DefaultGroupRule.id.not_in(originals))
    )
