"""What requests about network quotas mean."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from api.network.problems import not_allowed
from api.request import ApiRequest
from common.db import network_quota, quotas
from common.db.network_quota import RESOURCES
from common.errors import InvalidRequest


def list_(request: ApiRequest) -> dict[str, dict[str, int]]:
    """Limits by resource of every project that has its own."""
    given = network_quota.defaults(request.services.config.quota)
    with request.services.db.read() as session:
        return {project_id: {**given, **own} for project_id, own in network_quota.own_limits(session).items()}


def show(request: ApiRequest, project_id: str) -> dict[str, int]:
    """Raises Forbidden for another project's."""
    _check_own(request, project_id)
    with request.services.db.read() as session:
        limits = quotas.effective_limits(session, project_id, defaults(request))
    return {name: limits[name] for name in RESOURCES}


def details(request: ApiRequest, project_id: str) -> dict[str, dict[str, int]]:
    _check_own(request, project_id)
    with request.services.db.read() as session:
        limits = quotas.effective_limits(session, project_id, defaults(request))
        used = quotas.usage(session, project_id)
    return {name: {"limit": limits[name], "used": used.get(name, 0), "reserved": 0} for name in RESOURCES}


def defaults(request: ApiRequest) -> dict[str, int]:
    return network_quota.defaults(request.services.config.quota)


def update(
    request: ApiRequest, project_id: str, limits: Mapping[str, int], *, check_limit: bool = False
) -> dict[str, int]:
    """`check_limit`: refuse a limit below what is used already. Raises InvalidRequest."""

    def work(session: Session) -> None:
        used = quotas.usage(session, project_id)
        low = sorted(name for name, limit in limits.items() if 0 <= limit < used.get(name, 0))
        if check_limit and low:
            raise InvalidRequest(
                f"The limit would be below what is used already for the following resources: {low}.",
                neutron_type="InvalidQuotaValue",
            )
        quotas.set_limits(session, project_id, limits)

    request.services.db.run(work)
    return show(request, project_id)


def delete(request: ApiRequest, project_id: str) -> None:
    request.services.db.run(lambda session: quotas.clear_limits(session, project_id, RESOURCES))


def _check_own(request: ApiRequest, project_id: str) -> None:
    if not request.context.owns(project_id):
        raise not_allowed("get_quota")
