"""Stored policies, and which of them an endpoint follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Endpoint, Policy, PolicyAssociation, Region
from common.errors import NotFound
from common.ids import new_hex_id

_MAX_REGION_DEPTH = 16


@dataclass(frozen=True)
class Target:
    """What follows a policy: an endpoint, a service, or a service in a region."""

    endpoint_id: str | None = None
    service_id: str | None = None
    region_id: str | None = None

    @property
    def key(self) -> str:
        return "/".join((self.endpoint_id or "", self.service_id or "", self.region_id or ""))


def get(session: Session, policy_id: str) -> Policy:
    """Raises NotFound."""
    found = session.get(Policy, policy_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find policy: {policy_id}.")
    return found


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Policy]:
    """Filters: type."""
    query = sa.select(Policy).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": Policy.id}, default=[("id", False)], key=Policy.id)


def create(session: Session, values: Mapping[str, Any]) -> Policy:
    policy = Policy(id=new_hex_id(), **values)
    session.add(policy)
    session.flush()
    return policy


def update(session: Session, policy: Policy, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        setattr(policy, key, value)
    session.flush()


def delete(session: Session, policy: Policy) -> None:
    """Nothing follows it any more."""
    session.delete(policy)
    session.flush()


def associate(session: Session, policy_id: str, target: Target) -> None:
    """Instead of the policy that the target followed before."""
    session.execute(sa.delete(PolicyAssociation).where(PolicyAssociation.target == target.key))
    session.add(
        PolicyAssociation(
            target=target.key,
            policy_id=policy_id,
            endpoint_id=target.endpoint_id,
            service_id=target.service_id,
            region_id=target.region_id,
        )
    )
    session.flush()


def is_associated(session: Session, policy_id: str, target: Target) -> bool:
    found = session.get(PolicyAssociation, target.key)
    return found is not None and found.policy_id == policy_id


def dissociate(session: Session, policy_id: str, target: Target) -> bool:
    """False: the target didn't follow this policy."""
    done = session.execute(
        sa.delete(PolicyAssociation).where(
            PolicyAssociation.target == target.key, PolicyAssociation.policy_id == policy_id
        )
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def followed_by(session: Session, endpoint: Endpoint) -> str | None:
    """The id of the policy that the endpoint follows: the nearest of its own, its region's, its service's."""
    return _nearest(endpoint, _associations(session), _parents(session))


def endpoints_following(session: Session, policy_id: str) -> list[Endpoint]:
    """In three statements, however many there are."""
    associations, parents = _associations(session), _parents(session)
    every = session.scalars(sa.select(Endpoint).order_by(Endpoint.id))
    return [each for each in every if _nearest(each, associations, parents) == policy_id]


def _associations(session: Session) -> dict[str, str]:
    rows = session.execute(sa.select(PolicyAssociation.target, PolicyAssociation.policy_id))
    return {row.target: row.policy_id for row in rows}


def _parents(session: Session) -> dict[str, str | None]:
    return {row.id: row.parent_region_id for row in session.execute(sa.select(Region.id, Region.parent_region_id))}


def _nearest(endpoint: Endpoint, associations: dict[str, str], parents: dict[str, str | None]) -> str | None:
    targets = [Target(endpoint_id=endpoint.id)]
    region = endpoint.region_id
    for _ in range(_MAX_REGION_DEPTH):
        if region is None:
            break
        targets.append(Target(service_id=endpoint.service_id, region_id=region))
        region = parents.get(region)
    targets.append(Target(service_id=endpoint.service_id))
    return next((associations[target.key] for target in targets if target.key in associations), None)
