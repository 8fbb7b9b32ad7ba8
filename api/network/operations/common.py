"""What the nouns of the network API share: whether the caller may change a row that it may see."""

from __future__ import annotations

from api.network.problems import not_allowed
from common.context import RequestContext


def check_owner(context: RequestContext, project_id: str, policy: str) -> None:
    """Raises Forbidden when the row is seen through sharing only."""
    if not context.owns(project_id):
        raise not_allowed(policy)
