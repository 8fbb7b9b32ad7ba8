"""A server's metadata and tags: read, replaced, merged and removed under the row's lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from api.compute.operations import servers
from api.compute.operations.quota_defaults import defaults
from api.compute.operations.server_create import check_metadata_count
from api.request import Services
from common.context import RequestContext
from common.db import instances, user_quotas
from common.db.models import Instance
from common.errors import InvalidRequest, NotFound

MAX_TAGS = 50


def get(services: Services, context: RequestContext, server_id: str) -> dict[str, str]:
    """Raises NotFound."""
    with services.db.read() as session:
        return dict(instances.get_visible(session, server_id, context).properties)


def get_item(services: Services, context: RequestContext, server_id: str, key: str) -> str:
    """Raises NotFound for the server or the key."""
    found = get(services, context, server_id)
    if key not in found:
        raise _no_item()
    return found[key]


def write(
    services: Services, context: RequestContext, server_id: str, items: Mapping[str, str], *, replace: bool
) -> dict[str, str]:
    """Merge `items` in, or make them all there is; the result. Raises NotFound, Conflict, QuotaExceeded."""
    result: dict[str, str] = {}

    def change(session: Session, instance: Instance) -> None:
        nonlocal result
        result = {**({} if replace else instance.properties), **items}
        known = defaults(services.config.quota)
        limits = user_quotas.effective_limits(session, instance.project_id, instance.user_id, known)
        check_metadata_count(len(result), limits["metadata_items"])
        instance.properties = result

    servers.edit(services, context, server_id, change)
    return result


def delete_item(services: Services, context: RequestContext, server_id: str, key: str) -> None:
    """Raises NotFound for the server or the key, Conflict for a locked server."""

    def change(_: Session, instance: Instance) -> None:
        if key not in instance.properties:
            raise _no_item()
        instance.properties = {name: value for name, value in instance.properties.items() if name != key}

    servers.edit(services, context, server_id, change)


def tags(services: Services, context: RequestContext, server_id: str) -> list[str]:
    """Raises NotFound."""
    with services.db.read() as session:
        return list(instances.get_visible(session, server_id, context).tags)


def set_tags(services: Services, context: RequestContext, server_id: str, wanted: Sequence[str]) -> list[str]:
    """Replace all tags; repetitions count once. Raises NotFound, Conflict, InvalidRequest for too many."""
    unique = sorted(set(wanted))
    _check_count(unique)

    def change(_: Session, instance: Instance) -> None:
        instance.tags = unique

    servers.edit(services, context, server_id, change)
    return unique


def add_tag(services: Services, context: RequestContext, server_id: str, tag: str) -> bool:
    """False: it was there already. Raises NotFound, Conflict, InvalidRequest for too many."""
    added = False

    def change(_: Session, instance: Instance) -> None:
        nonlocal added
        added = tag not in instance.tags
        if added:
            _check_count([*instance.tags, tag])
            instance.tags = sorted([*instance.tags, tag])

    servers.edit(services, context, server_id, change)
    return added


def delete_tag(services: Services, context: RequestContext, server_id: str, tag: str) -> None:
    """Raises NotFound for the server or the tag, Conflict for a locked server."""

    def change(_: Session, instance: Instance) -> None:
        if tag not in instance.tags:
            raise no_tag(server_id, tag)
        instance.tags = [name for name in instance.tags if name != tag]

    servers.edit(services, context, server_id, change)


def no_tag(server_id: str, tag: str) -> NotFound:
    return NotFound(f"Server {server_id} has no tag '{tag[:60]}'")


def _check_count(wanted: Sequence[str]) -> None:
    if len(wanted) > MAX_TAGS:
        raise InvalidRequest(f"The number of tags exceeded the per-server limit {MAX_TAGS}")


def _no_item() -> NotFound:
    return NotFound("Metadata item was not found")
