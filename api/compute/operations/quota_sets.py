"""Quota of the compute service: limits and use of a project, for itself and for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.compute.operations.flavors import check_project
from api.compute.operations.quota_defaults import defaults
from api.request import Services
from common.context import RequestContext
from common.db import network_quota, quotas
from common.errors import Forbidden, InvalidRequest

#: the network service's words for what compute's API shows before 2.36
_OF_NETWORK = {"security_groups": "security_group", "security_group_rules": "security_group_rule"}


@dataclass(frozen=True)
class Quota:
    """Limits and use by resource, in the names of Nova's API."""

    project_id: str
    limits: Mapping[str, int]
    in_use: Mapping[str, int]


def check_own(context: RequestContext, project_id: str, action: str) -> None:
    """Raises Forbidden unless it is the caller's own project or the caller is an administrator."""
    if not context.owns(project_id):
        raise Forbidden(f"Policy doesn't allow os_compute_api:{action} to be performed.")


def show(services: Services, project_id: str) -> Quota:
    with services.db.read() as session:
        return _read(services, session, project_id)


def default_set(services: Services, project_id: str) -> Quota:
    with services.db.read() as session:
        found = _read(services, session, quotas.DEFAULT_CLASS)
    return Quota(project_id, found.limits, {})


def update_class(services: Services, class_name: str, limits: Mapping[str, int]) -> Quota:
    """Set what holds for projects without limits of their own. Raises InvalidRequest: there is one class, default."""
    if class_name != "default":
        raise InvalidRequest(f"There is no quota class {class_name[:80]!r}: the one there is is called default.")

    def work(session: Session) -> Quota:
        quotas.set_limits(
            session, quotas.DEFAULT_CLASS, {_OF_NETWORK.get(key, key): value for key, value in limits.items()}
        )
        return _read(services, session, quotas.DEFAULT_CLASS)

    return services.db.run(work)


def update(services: Services, project_id: str, limits: Mapping[str, int], *, force: bool) -> Quota:
    """Set limits. Raises InvalidRequest for no such project, or a limit below what is used unless forced."""

    def work(session: Session) -> Quota:
        check_project(session, project_id)
        now = _read(services, session, project_id)
        for name, limit in sorted(limits.items()):
            used = now.in_use.get(name, 0)
            if 0 <= limit < used and not force:
                raise InvalidRequest(
                    f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved {used}."
                )
        quotas.set_limits(session, project_id, {_OF_NETWORK.get(name, name): limit for name, limit in limits.items()})
        return _read(services, session, project_id)

    return services.db.run(work)


def reset(services: Services, project_id: str) -> None:
    """Back to the defaults. Raises InvalidRequest for no such project."""

    def work(session: Session) -> None:
        check_project(session, project_id)
        quotas.clear_limits(session, project_id, [*defaults(services.config.quota)])

    services.db.run(work)


def _read(services: Services, session: Session, project_id: str) -> Quota:
    known = defaults(services.config.quota) | network_quota.defaults(services.config.quota)
    limits = quotas.effective_limits(session, project_id, known)
    used = quotas.usage(session, project_id)
    return Quota(project_id, limits | _network_names(limits), used | _network_names(used))


def _network_names(amounts: Mapping[str, int]) -> dict[str, int]:
    return {ours: amounts[theirs] for ours, theirs in _OF_NETWORK.items() if theirs in amounts}
