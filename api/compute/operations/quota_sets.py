"""Quota of the compute service: limits and use of a project, or of one user in it, for itself and for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from api.compute.operations.flavors import check_project
from api.compute.operations.quota_defaults import defaults
from api.request import Services
from common.context import RequestContext
from common.db import network_quota, quotas, user_quotas
from common.errors import Forbidden, InvalidRequest

#: the network service's words for what compute's API shows before 2.36
_OF_NETWORK = {"security_groups": "security_group", "security_group_rules": "security_group_rule"}


@dataclass(frozen=True)
class Quota:
    """Limits and use by resource, in the names of Nova's API. room: how much a limit may be, where that is bounded."""

    project_id: str
    limits: Mapping[str, int]
    in_use: Mapping[str, int]
    room: Mapping[str, int] = field(default_factory=dict)


def check_own(context: RequestContext, project_id: str, action: str) -> None:
    """Raises Forbidden unless it is the caller's own project or the caller is an administrator."""
    if not context.owns(project_id):
        raise Forbidden(f"Policy doesn't allow os_compute_api:{action} to be performed.")


def show(services: Services, project_id: str, user_id: str = "") -> Quota:
    """user_id: as they are for this user of the project."""
    with services.db.read() as session:
        return _read(services, session, project_id, user_id)


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


def update(services: Services, project_id: str, limits: Mapping[str, int], *, force: bool, user_id: str = "") -> Quota:
    """Set limits of a project, or of one user in it.

    Raises InvalidRequest for no such project, and unless forced for a limit below what is used, or of a user beyond what
    the project has and has not set for others.
    """

    def work(session: Session) -> Quota:
        check_project(session, project_id)
        if not force:
            _check_settable(session, limits, _read(services, session, project_id, user_id), user_id)
        if user_id:
            _check_per_user(services, limits)
            user_quotas.set_limits(session, project_id, user_id, limits)
        else:
            own = {_OF_NETWORK.get(name, name): limit for name, limit in limits.items()}
            quotas.set_limits(session, project_id, own)
        return _read(services, session, project_id, user_id)

    return services.db.run(work)


def _check_settable(session: Session, limits: Mapping[str, int], now: Quota, user_id: str) -> None:
    """As Nova: what users of a project may have together is never more than what the project may."""
    assigned = {} if user_id else user_quotas.assigned(session, now.project_id)
    for name, limit in sorted(limits.items()):
        used = max(now.in_use.get(name, 0), assigned.get(name, 0))
        if 0 <= limit < used:
            raise InvalidRequest(
                f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved {used}."
            )
        room = now.room.get(name, -1)
        if room >= 0 and not 0 <= limit <= room:
            raise InvalidRequest(f"Quota limit {limit} for {name} must be less than or equal to {room}.")


def _check_per_user(services: Services, limits: Mapping[str, int]) -> None:
    known = defaults(services.config.quota)
    if alien := sorted(name for name in limits if name not in known):
        raise InvalidRequest(f"There is no limit of {alien[0]} for a single user: it holds for projects as a whole.")


def reset(services: Services, project_id: str, user_id: str = "") -> None:
    """Back to the defaults, its users' too; of one user back to the project's. Raises InvalidRequest for no such project."""

    def work(session: Session) -> None:
        check_project(session, project_id)
        known = [*defaults(services.config.quota)]
        user_quotas.clear_limits(session, project_id, known, user_id or None)
        if not user_id:
            quotas.clear_limits(session, project_id, known)

    services.db.run(work)


def _read(services: Services, session: Session, project_id: str, user_id: str = "") -> Quota:
    known = defaults(services.config.quota) | network_quota.defaults(services.config.quota)
    limits = quotas.effective_limits(session, project_id, known)
    used = quotas.usage(session, project_id)
    if not user_id:
        return Quota(project_id, limits | _network_names(limits), used | _network_names(used))
    own, assigned = user_quotas.limits(session, project_id, user_id), user_quotas.assigned(session, project_id)
    room = {
        name: limit - assigned.get(name, 0) + max(own.get(name, 0), 0) for name, limit in limits.items() if limit >= 0
    }
    in_use = user_quotas.usage(session, project_id, user_id)
    return Quota(project_id, limits | _network_names(limits) | own, used | _network_names(used) | in_use, room)


def _network_names(amounts: Mapping[str, int]) -> dict[str, int]:
    return {ours: amounts[theirs] for ours, theirs in _OF_NETWORK.items() if theirs in amounts}
