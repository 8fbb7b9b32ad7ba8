"""What images a project has, against its unified limits (identity's registered limits and limits of the image service).

Counted anew whenever it matters, while the project's row is held: two that come at once can't both take the last of it, and
there is no counter that could drift. A resource that nobody has registered a limit for has none, and costs nothing.
Source: Glance's use of unified limits, from which the names come.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.images import ImageStatus
from common.db.models import IdentityService, Image, Project, ProjectLimit, RegisteredLimit
from common.errors import QuotaExceeded

SIZE_TOTAL = "image_size_total"  # MiB of images that are there, once for every store they are in
STAGE_TOTAL = "image_stage_total"  # MiB that wait for their import
COUNT_TOTAL = "image_count_total"
COUNT_UPLOADING = "image_count_uploading"  # whose data are on their way in
RESOURCES = (SIZE_TOTAL, STAGE_TOTAL, COUNT_TOTAL, COUNT_UPLOADING)
MIB = 1024 * 1024
_STORED = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)
_STAGED = (ImageStatus.UPLOADING, ImageStatus.IMPORTING)
_COMING = (ImageStatus.SAVING, *_STAGED)


def limits(session: Session, project_id: str, region: str) -> dict[str, int]:
    """The project's limit of each resource that has one; -1 is without limit. A region's own goes before one of all."""
    query = (
        sa.select(RegisteredLimit.resource_name, RegisteredLimit.default_limit, ProjectLimit.resource_limit)
        .join(IdentityService, IdentityService.id == RegisteredLimit.service_id)
        .outerjoin(
            ProjectLimit,
            sa.and_(ProjectLimit.registered_limit_id == RegisteredLimit.id, ProjectLimit.project_id == project_id),
        )
        .where(
            IdentityService.type == "image",
            RegisteredLimit.resource_name.in_(RESOURCES),
            sa.or_(RegisteredLimit.region_id.is_(None), RegisteredLimit.region_id == region),
        )
        .order_by(RegisteredLimit.region_id.is_not(None))
    )
    return {name: default if own is None else own for name, default, own in session.execute(query)}


def usage(session: Session, project_id: str) -> dict[str, int]:
    """Of every resource; a begun MiB counts whole."""
    stores = sa.case(
        (Image.stores == "", 1),
        else_=1 + sa.func.length(Image.stores) - sa.func.length(sa.func.replace(Image.stores, ",", "")),
    )
    size = sa.func.coalesce(Image.size, 0)
    row = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((Image.status.in_(_STORED), size * stores), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((Image.status.in_(_STAGED), size), else_=0)), 0),
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((Image.status.in_(_COMING), 1), else_=0)), 0),
        ).where(Image.owner == project_id, Image.status != ImageStatus.DELETED)
    ).one()
    return {
        SIZE_TOTAL: -(-int(row[0]) // MIB),
        STAGE_TOTAL: -(-int(row[1]) // MIB),
        COUNT_TOTAL: int(row[2]),
        COUNT_UPLOADING: int(row[3]),
    }


def check(session: Session, project_id: str | None, region: str, more: Mapping[str, int]) -> None:
    """Whether the project may have so much more of these; 0 for what this transaction has counted already.

    Raises QuotaExceeded (413, as Glance answers). Holds the project's row until the transaction ends.
    """
    bounds = _bounds(session, project_id, region, more)
    if project_id is None or not bounds:
        return
    session.execute(sa.select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))
    used = usage(session, project_id)
    for resource, limit in bounds.items():
        if used[resource] + more[resource] > limit:
            raise QuotaExceeded(
                f"Project {project_id} is over a limit for [Resource {resource} is over limit of {limit} due to"
                f" current usage {used[resource]} and delta {more[resource]}]",
                http_status=413, resource=resource, limit=limit, used=used[resource], requested=more[resource],
            )  # fmt: skip


def room_bytes(session: Session, project_id: str | None, region: str, resource: str) -> int | None:
    """How many bytes are left of a resource in MiB; None: without limit."""
    bounds = _bounds(session, project_id, region, {resource: 0})
    if project_id is None or resource not in bounds:
        return None
    return max(0, bounds[resource] - usage(session, project_id)[resource]) * MIB


def _bounds(session: Session, project_id: str | None, region: str, wanted: Mapping[str, int]) -> dict[str, int]:
    if project_id is None:
        return {}
    known = limits(session, project_id, region)
    return {resource: known[resource] for resource in wanted if known.get(resource, -1) >= 0}
