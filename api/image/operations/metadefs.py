"""What the calls about metadata definitions mean: everybody reads public ones and its own, administrators write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import metadefs
from common.db.models import MetadefItem, MetadefNamespace
from common.db.paging import Page
from common.errors import BodyTooLarge, Forbidden

MAX_ITEMS = 1000
RESOURCE_TYPES = ("OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Flavor", "OS::Nova::Server")


@dataclass(frozen=True)
class ShownNamespace:
    """A namespace with the words of it that are asked for."""

    namespace: MetadefNamespace
    items: Sequence[MetadefItem]


def list_namespaces(
    services: Services, context: RequestContext, filters: Mapping[str, Any], page: Page
) -> list[ShownNamespace]:
    """One page, with the associated resource types, in two statements."""
    if page.limit == 0:
        return []
    with services.db.read() as session:
        rows = metadefs.page(session, context, filters, page)
        items = metadefs.items_of(session, [row.namespace for row in rows], ["resource_type"])
    return [ShownNamespace(row, [item for item in items if item.namespace == row.namespace]) for row in rows]


def show_namespace(services: Services, context: RequestContext, namespace: str) -> ShownNamespace:
    """With all its words. Raises NotFound."""
    with services.db.read() as session:
        row = metadefs.get_visible(session, namespace, context)
        kinds = ("resource_type", "object", "property", "tag")
        return ShownNamespace(row, metadefs.items_of(session, [row.namespace], kinds))


def create_namespace(services: Services, context: RequestContext, given: Mapping[str, Any]) -> ShownNamespace:
    """Raises Forbidden, AlreadyExists."""
    _require_admin(context, "add_metadef_namespace")
    values = {"visibility": "private", "protected": False, "owner": context.project_id or "", **given}
    now = services.clock.now()
    return ShownNamespace(services.db.run(lambda session: metadefs.create(session, values, now)), [])


def update_namespace(
    services: Services, context: RequestContext, namespace: str, given: Mapping[str, Any]
) -> ShownNamespace:
    """Raises NotFound, Forbidden, AlreadyExists."""
    now = services.clock.now()

    def work(session: Session) -> ShownNamespace:
        row = _writable(session, context, namespace, "modify_metadef_namespace")
        metadefs.update(session, row, given, now)
        return ShownNamespace(row, metadefs.items_of(session, [row.namespace], ["resource_type"]))

    return services.db.run(work)


def delete_namespace(services: Services, context: RequestContext, namespace: str) -> None:
    """Raises NotFound, Forbidden, also for a protected one."""

    def work(session: Session) -> None:
        row = _writable(session, context, namespace, "delete_metadef_namespace")
        _check_unprotected(row)
        metadefs.delete(session, row)

    services.db.run(work)


def list_items(services: Services, context: RequestContext, namespace: str, kind: str) -> list[MetadefItem]:
    """Raises NotFound."""
    with services.db.read() as session:
        return metadefs.items_of(session, [metadefs.get_visible(session, namespace, context).namespace], [kind])


def show_item(services: Services, context: RequestContext, namespace: str, kind: str, name: str) -> MetadefItem:
    """Raises NotFound."""
    with services.db.read() as session:
        metadefs.get_visible(session, namespace, context)
        return metadefs.get_item(session, namespace, kind, name)


def create_items(
    services: Services, context: RequestContext, namespace: str, kind: str, given: Sequence[tuple[str, dict[str, Any]]],
    *, instead: bool = False,
) -> list[MetadefItem]:  # fmt: skip
    """Names with contents; `instead`: of all that there were. Raises NotFound, Forbidden, AlreadyExists, BodyTooLarge."""
    now = services.clock.now()

    def work(session: Session) -> list[MetadefItem]:
        row = _writable(session, context, namespace, f"add_metadef_{kind}")
        if instead:
            metadefs.clear(session, row.namespace, kind)
        if metadefs.count_items(session, row.namespace) + len(given) > MAX_ITEMS:
            raise BodyTooLarge(f"A namespace holds at most {MAX_ITEMS} definitions.")
        return [metadefs.add_item(session, row.namespace, kind, name, content, now) for name, content in given]

    return services.db.run(work)


def update_item(
    services: Services, context: RequestContext, namespace: str, kind: str, name: str, given: tuple[str, dict[str, Any]]
) -> MetadefItem:
    """`given` takes the place of name and content. Raises NotFound, Forbidden, AlreadyExists."""
    now = services.clock.now()

    def work(session: Session) -> MetadefItem:
        _writable(session, context, namespace, f"modify_metadef_{kind}")
        row = metadefs.get_item(session, namespace, kind, name)
        metadefs.update_item(session, row, *given, now)
        return row

    return services.db.run(work)


def delete_item(services: Services, context: RequestContext, namespace: str, kind: str, name: str) -> None:
    """Raises NotFound, Forbidden, also in a protected namespace."""

    def work(session: Session) -> None:
        _check_unprotected(_writable(session, context, namespace, f"delete_metadef_{kind}"))
        metadefs.delete_item(session, metadefs.get_item(session, namespace, kind, name))

    services.db.run(work)


def clear(services: Services, context: RequestContext, namespace: str, kind: str) -> None:
    """All words of one kind. Raises NotFound, Forbidden, also in a protected namespace."""

    def work(session: Session) -> None:
        row = _writable(session, context, namespace, f"delete_metadef_{kind}")
        _check_unprotected(row)
        metadefs.clear(session, row.namespace, kind)

    services.db.run(work)


def resource_types(services: Services) -> list[MetadefItem | str]:
    """The well-known ones, and those that namespaces name."""
    with services.db.read() as session:
        named = metadefs.resource_types(session)
    return [named.get(name, name) for name in sorted({*RESOURCE_TYPES, *named})]


def _writable(session: Session, context: RequestContext, namespace: str, action: str) -> MetadefNamespace:
    row = metadefs.get_visible(session, namespace, context)
    _require_admin(context, action)
    return row


def _require_admin(context: RequestContext, action: str) -> None:
    if not context.is_admin:
        raise Forbidden(f"You are not authorized to complete {action} action.")


def _check_unprotected(row: MetadefNamespace) -> None:
    if row.protected:
        raise Forbidden(f"Metadata definition namespace={row.namespace} is protected and cannot be deleted.")
