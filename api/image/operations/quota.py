"""What a project's images use, and may use."""

from __future__ import annotations

from api.request import Services
from common.context import RequestContext
from common.db import image_quota
from common.errors import Forbidden


def usage(services: Services, context: RequestContext) -> dict[str, dict[str, int]]:
    """By resource; a limit of -1 is none. Raises Forbidden for a token without a project."""
    if context.project_id is None:
        raise Forbidden("You are not authorized to complete this action: it needs a token for a project.")
    with services.db.read() as session:
        bounds = image_quota.limits(session, context.project_id, services.config.cloud.region)
        used = image_quota.usage(session, context.project_id)
    return {name: {"limit": bounds.get(name, -1), "usage": used[name]} for name in image_quota.RESOURCES}
