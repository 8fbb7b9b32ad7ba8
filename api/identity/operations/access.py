"""Who may see or change what belongs to a domain: Keystone's default policy, where the route's rule can't say it alone.

Administrators (in any scope) may everything, readers on the system see everything, readers and managers on a domain see
and change what is that domain's. An id that a caller without a view of everything may not know is refused like a
stranger's, known or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.context import RequestContext
from common.errors import Forbidden, NotFound


def refused(key: str) -> Forbidden:
    """Keystone's words; key: the policy's name of the action."""
    return Forbidden(f"You are not authorized to perform the requested action: identity:{key}.")


@contextmanager
def hiding(context: RequestContext, key: str) -> Iterator[None]:
    """Around lookups of what the caller named. Raises Forbidden for NotFound, unless the caller may see everything."""
    try:
        yield
    except NotFound as err:
        if context.reads_all:
            raise
        raise refused(key) from err


def check_read(context: RequestContext, key: str, *domain_ids: str) -> None:
    """Raises Forbidden unless the caller sees everything, or is reader on the domain that all of these are."""
    if not (context.reads_all or _on(context, "reader", domain_ids)):
        raise refused(key)


def check_manage(context: RequestContext, key: str, *domain_ids: str) -> None:
    """Raises Forbidden unless the caller is an administrator, or manager on the domain that all of these are."""
    if not (context.is_admin or _on(context, "manager", domain_ids)):
        raise refused(key)


def check_self_or_read(context: RequestContext, key: str, user_id: str, *domain_ids: str) -> None:
    """As `check_read`; everybody may see itself."""
    if user_id != context.user_id:
        check_read(context, key, *domain_ids)


def domain_filter(context: RequestContext, asked: dict[str, object], column: str = "domain_id") -> dict[str, object]:
    """The filters of a list, with a domain-scoped token narrowed to its domain."""
    if context.domain_id is None:
        return asked
    wanted = asked.get(column, context.domain_id)
    return {**asked, column: context.domain_id if wanted == context.domain_id else ""}


def _on(context: RequestContext, role: str, domain_ids: tuple[str, ...]) -> bool:
    return context.domain_id is not None and role in context.roles and set(domain_ids) == {context.domain_id}
