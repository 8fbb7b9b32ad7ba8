"""Quota of the block storage service: limits and use of a project, of all volumes and of those of one type.

In the database a type's resource bears its id, at the API its name: `gigabytes_fast`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.quota_defaults import defaults
from api.volume.operations.volume_types import check_project
from common.context import RequestContext
from common.db import quotas, volume_types
from common.db.volume_quota import PER_TYPE, of_type
from common.errors import Forbidden, InvalidRequest


@dataclass(frozen=True)
class Quota:
    """Limits and use by resource, in the names of Cinder's API."""

    project_id: str
    limits: Mapping[str, int]
    in_use: Mapping[str, int]


def check_own(context: RequestContext, project_id: str) -> None:
    """Raises Forbidden unless it is the caller's own project or the caller is an administrator."""
    if not context.owns(project_id):
        raise Forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.")


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
        quotas.set_limits(session, quotas.DEFAULT_CLASS, _stored(services, session, limits))
        return _read(services, session, quotas.DEFAULT_CLASS)

    return services.db.run(work)


def update(services: Services, project_id: str, limits: Mapping[str, int]) -> Quota:
    """Set limits, also below what is used: then nothing more is taken. Raises InvalidRequest for no such project."""

    def work(session: Session) -> Quota:
        check_project(session, project_id)
        quotas.set_limits(session, project_id, _stored(services, session, limits))
        return _read(services, session, project_id)

    return services.db.run(work)


def reset(services: Services, project_id: str) -> None:
    """Back to the defaults. Raises InvalidRequest for no such project."""

    def work(session: Session) -> None:
        check_project(session, project_id)
        resources = [*defaults(services.config.quota), *_type_resources(volume_types.all_names(session)).values()]
        quotas.clear_limits(session, project_id, resources)

    services.db.run(work)


def _read(services: Services, session: Session, project_id: str) -> Quota:
    known = defaults(services.config.quota)
    limits = quotas.effective_limits(session, project_id, known)
    used = quotas.usage(session, project_id)
    stored = {**{name: name for name in known}, **_type_resources(volume_types.all_names(session))}
    return Quota(
        project_id,
        {name: limits.get(resource, -1) for name, resource in stored.items()},
        {name: used.get(resource, 0) for name, resource in stored.items()},
    )


def _stored(services: Services, session: Session, limits: Mapping[str, int]) -> dict[str, int]:
    """By the names in the database. Raises InvalidRequest for a resource that isn't counted."""
    stored = {name: name for name in defaults(services.config.quota)}
    stored |= _type_resources(volume_types.all_names(session))
    if unknown := sorted(limits.keys() - stored.keys()):
        raise InvalidRequest(f"Bad key(s) in quota set: {', '.join(name[:80] for name in unknown)}")
    return {stored[name]: limit for name, limit in limits.items()}


def _type_resources(names: Mapping[str, str]) -> dict[str, str]:
    """The database's names by the API's."""
    return {
        f"{resource}_{name}": of_type(resource, type_id) for type_id, name in names.items() for resource in PER_TYPE
    }
