"""What the calls about stored policies and their associations mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.request import Services
from common.db import catalog, policies
from common.db.models import Endpoint, Policy
from common.db.paging import Page
from common.db.policies import Target
from common.errors import NotFound


def list_policies(services: Services, filters: Mapping[str, Any], page: Page) -> list[Policy]:
    with services.db.read() as session:
        return policies.page(session, filters, page)


def show(services: Services, policy_id: str) -> Policy:
    """Raises NotFound."""
    with services.db.read() as session:
        return policies.get(session, policy_id)


def create(services: Services, given: Mapping[str, Any]) -> Policy:
    return services.db.run(lambda session: policies.create(session, given))


def update(services: Services, policy_id: str, given: dict[str, Any]) -> Policy:
    """Raises NotFound, InvalidRequest for another id."""

    def work(session: Session) -> Policy:
        policy = policies.get(session, policy_id)
        policies.update(session, policy, check_immutable(given, {"id": policy_id}))
        return policy

    return services.db.run(work)


def delete(services: Services, policy_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: policies.delete(session, policies.get(session, policy_id)))


def associate(services: Services, policy_id: str, target: Target) -> None:
    """Instead of the target's policy before. Raises NotFound for any of the ids."""

    def work(session: Session) -> None:
        _check(session, policy_id, target)
        policies.associate(session, policy_id, target)

    services.db.run(work)


def check(services: Services, policy_id: str, target: Target) -> None:
    """Raises NotFound, also when the target doesn't follow this policy."""
    with services.db.read() as session:
        _check(session, policy_id, target)
        if not policies.is_associated(session, policy_id, target):
            raise _not_associated(policy_id)


def dissociate(services: Services, policy_id: str, target: Target) -> None:
    """Raises NotFound, also when the target doesn't follow this policy."""

    def work(session: Session) -> None:
        _check(session, policy_id, target)
        if not policies.dissociate(session, policy_id, target):
            raise _not_associated(policy_id)

    services.db.run(work)


def policy_of(services: Services, endpoint_id: str) -> Policy:
    """Raises NotFound for the endpoint, and when it follows no policy."""
    with services.db.read() as session:
        followed = policies.followed_by(session, catalog.get_endpoint(session, endpoint_id))
        if followed is None:
            raise NotFound(f"No policy is associated with endpoint {endpoint_id}.")
        return policies.get(session, followed)


def endpoints_of(services: Services, policy_id: str) -> list[Endpoint]:
    """The endpoints that follow the policy, one way or another. Raises NotFound."""
    with services.db.read() as session:
        policies.get(session, policy_id)
        return policies.endpoints_following(session, policy_id)


def _check(session: Session, policy_id: str, target: Target) -> None:
    policies.get(session, policy_id)
    if target.endpoint_id is not None:
        catalog.get_endpoint(session, target.endpoint_id)
    if target.service_id is not None:
        catalog.get_service(session, target.service_id)
    if target.region_id is not None:
        catalog.get_region(session, target.region_id)


def _not_associated(policy_id: str) -> NotFound:
    return NotFound(f"Could not find policy association of policy {policy_id}.")
