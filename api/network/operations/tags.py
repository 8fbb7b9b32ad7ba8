"""What requests for the tags of an object mean, whatever the object is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.network.operations.common import check_owner
from api.network.schemas.tags import MAX_TAGS
from api.request import ApiRequest
from common.context import RequestContext
from common.db import network_tags
from common.errors import InvalidRequest, NotFound

ResultT = TypeVar("ResultT")
#: finds an object that the caller may see; raises NotFound
Find = Callable[[Session, str, RequestContext], Any]


def list_(request: ApiRequest, find: Find, resource_id: str) -> list[str]:
    with request.services.db.read() as session:
        find(session, resource_id, request.context)
        return network_tags.of(session, [resource_id]).get(resource_id, [])


def check(request: ApiRequest, find: Find, resource_id: str, tag: str) -> None:
    """Raises NotFound when the object has no such tag."""
    if tag not in list_(request, find, resource_id):
        raise _unknown(tag)


def add(request: ApiRequest, find: Find, resource_id: str, tags: list[str]) -> list[str]:
    def work(session: Session) -> list[str]:
        _changed(session, request, find, resource_id)
        network_tags.add(session, resource_id, tags)
        return _limited(network_tags.of(session, [resource_id]).get(resource_id, []))

    return request.services.db.run(work)


def _limited(tags: list[str]) -> list[str]:
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"An object has at most {MAX_TAGS} tags.")
    return tags


def replace(request: ApiRequest, find: Find, resource_id: str, tags: list[str]) -> list[str]:
    def work(session: Session) -> list[str]:
        _changed(session, request, find, resource_id)
        network_tags.forget(session, [resource_id])
        network_tags.add(session, resource_id, tags)
        return network_tags.of(session, [resource_id]).get(resource_id, [])

    return request.services.db.run(work)


def remove(request: ApiRequest, find: Find, resource_id: str, tag: str) -> None:
    """Raises NotFound when the object has no such tag."""

    def work(session: Session) -> None:
        _changed(session, request, find, resource_id)
        if not network_tags.remove(session, resource_id, tag):
            raise _unknown(tag)

    request.services.db.run(work)


def _changed(session: Session, request: ApiRequest, find: Find, resource_id: str) -> None:
    """Hold the object against others that change it; a change of its tags is one of its revisions."""
    row = find(session, resource_id, request.context)
    check_owner(request.context, row.project_id, "update_tags")
    now: datetime = request.services.clock.now()
    row.revision_number += 1
    row.updated_at = now
    session.flush()


def _unknown(tag: str) -> NotFound:
    return NotFound(f"Tag {tag} could not be found.", neutron_type="TagNotFound")
