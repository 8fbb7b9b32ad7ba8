"""Server groups: which servers are to be together or apart, and where their members are.

Placement asks `occupancy` in the claim's own transaction: it holds the group's row, so that two schedulers that place
servers of one group at the same time do so one after the other, and the policy can't be broken by a race.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import quotas, user_quotas
from common.db.models import Instance, ServerGroup, ServerGroupMember
from common.errors import NotFound, QuotaExceeded
from common.ids import new_id


@dataclass(frozen=True)
class Occupancy:
    """How many living members are on which node (by id)."""

    policy: str
    max_per_node: int
    members: Mapping[str, int]


def create(
    session: Session,
    context: RequestContext,
    *,
    name: str,
    policy: str,
    max_per_node: int | None,
    limits: Mapping[str, int],
    now: datetime,
) -> ServerGroup:
    """Insert a group, counted for the project. Raises QuotaExceeded."""
    project_id = context.project_id or ""
    try:
        user_quotas.take(session, project_id, context.user_id, {"server_groups": 1}, limits)
    except QuotaExceeded as err:
        raise QuotaExceeded("Quota exceeded, too many server groups.", **err.facts) from err
    made = ServerGroup(
        id=new_id(), project_id=project_id, user_id=context.user_id, name=name, policy=policy,
        max_per_node=max_per_node, created_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def get_visible(session: Session, group_id: str, context: RequestContext) -> ServerGroup:
    """Raises NotFound, with the same words for a stranger's group and for none."""
    found = session.get(ServerGroup, group_id)
    if found is None or not context.owns(found.project_id):
        raise NotFound(f"Instance group {group_id[:64]} could not be found.")
    return found


def list_page(session: Session, project_id: str | None, limit: int, offset: int) -> list[ServerGroup]:
    """In the order they were made; project_id None: of all projects."""
    query = sa.select(ServerGroup).order_by(ServerGroup.created_at, ServerGroup.id).limit(limit).offset(offset)
    if project_id is not None:
        query = query.where(ServerGroup.project_id == project_id)
    return list(session.scalars(query))


def delete(session: Session, group: ServerGroup) -> None:
    """The group and its memberships; the servers stay. Quota is given back once."""
    quotas.lock(session, [group.project_id])
    gone = session.execute(
        sa.delete(ServerGroup).where(ServerGroup.id == group.id).execution_options(synchronize_session=False)
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Instance group {group.id} could not be found.")
    quotas.release(session, group.project_id, {"server_groups": 1})


def members(session: Session, group_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the living members, by group, in the order they were made."""
    rows = session.execute(
        sa.select(ServerGroupMember.group_id, Instance.id)
        .join(Instance, Instance.id == ServerGroupMember.instance_id)
        .where(ServerGroupMember.group_id.in_(group_ids), Instance.deleted.is_(False))
        .order_by(Instance.created_at, Instance.launch_index, Instance.id)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for group_id, instance_id in rows:
        found[group_id].append(instance_id)
    return found


def of_instances(session: Session, instance_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the groups that these instances are in, by instance."""
    rows = session.execute(
        sa.select(ServerGroupMember.instance_id, ServerGroupMember.group_id).where(
            ServerGroupMember.instance_id.in_(instance_ids)
        )
    )
    return {instance_id: [group_id] for instance_id, group_id in rows}


def join(session: Session, group: ServerGroup, instance_ids: Sequence[str], limit: int) -> None:
    """Make new instances members, at most `limit` living ones altogether (negative: any). Raises QuotaExceeded."""
    _hold(session, group.id)
    have = len(members(session, [group.id]).get(group.id, ()))
    if 0 <= limit < have + len(instance_ids):
        raise QuotaExceeded("Quota exceeded, too many servers in group", resource="server_group_members", limit=limit)
    session.execute(
        sa.insert(ServerGroupMember), [{"instance_id": each, "group_id": group.id} for each in instance_ids]
    )


def occupancy(session: Session, instance_id: str) -> Occupancy | None:
    """Where the other members of an instance's group are, the group held until the transaction ends; None: no group."""
    group_id = session.scalar(sa.select(ServerGroupMember.group_id).where(ServerGroupMember.instance_id == instance_id))
    group = _hold(session, group_id) if group_id is not None else None
    if group is None:
        return None
    rows = session.execute(
        sa.select(Instance.node_id, sa.func.count())
        .join(ServerGroupMember, ServerGroupMember.instance_id == Instance.id)
        .where(
            ServerGroupMember.group_id == group.id, Instance.id != instance_id, Instance.deleted.is_(False),
            Instance.node_id.is_not(None),
        )
        .group_by(Instance.node_id)
    )  # fmt: skip
    return Occupancy(group.policy, group.max_per_node or 1, {node_id: count for node_id, count in rows if node_id})


def nodes_of(session: Session, instance_ids: Sequence[str], project_id: str | None) -> set[str]:
    """Ids of the nodes that these living servers are on; project_id: only of its own."""
    query = sa.select(Instance.node_id).where(
        Instance.id.in_(instance_ids), Instance.deleted.is_(False), Instance.node_id.is_not(None)
    )
    if project_id is not None:
        query = query.where(Instance.project_id == project_id)
    return {node_id for node_id in session.scalars(query) if node_id}


def _hold(session: Session, group_id: str) -> ServerGroup | None:
    query = sa.select(ServerGroup).where(ServerGroup.id == group_id).with_for_update(key_share=True)
    return session.scalars(query).one_or_none()
