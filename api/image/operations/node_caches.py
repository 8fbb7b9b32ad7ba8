"""The nodes' image caches, as Glance's cache API shows its own: what is there, what is to come, and what need not stay.

Bytes are served from where they are stored; what is cached are copies on nodes, which servers are made from. The nodes say
what they have while the client waits. Nothing here is a promise: a node that doesn't answer is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from api.request import Services
from common import log
from common.context import RequestContext
from common.db import image_prefetches, images, nodes
from common.db.images import ImageStatus
from common.db.models import Image, Node
from common.db.services import is_up
from common.errors import Conflict, InvalidRequest, NodeUnreachable
from common.image_spec import image_spec
from common.rpc.queries_v1 import Answer, CachedImageEntry, CachedImages, DropImages, FetchImage, Query

logger = logging.getLogger(__name__)
_ASKED_AT_ONCE = 8


@dataclass
class CachedImage:
    """One image, in however many caches. hits: uses in all of them; times: the latest."""

    image_id: str
    size_bytes: int
    nodes: list[str] = field(default_factory=list)
    hits: int = 0
    fetched_at: datetime | None = None
    used_at: datetime | None = None


@dataclass(frozen=True)
class Caches:
    cached: list[CachedImage]
    queued: list[str]  # image ids


def show(services: Services) -> Caches:
    """Of all nodes that answer."""
    with services.db.read() as session:
        living = _living(session, services)
    answers = _ask(services, living, CachedImages())
    every = {entry.sha512 for answer in answers.values() for entry in answer.images}
    with services.db.read() as session:
        known = image_prefetches.with_hashes(session, every)
    cached: dict[str, CachedImage] = {}
    queued: dict[str, None] = {}
    for node, answer in sorted(answers.items()):
        for entry in answer.images:
            for image_id in known.get(entry.sha512, ()):
                if entry.queued:
                    queued[image_id] = None
                else:
                    _add(cached.setdefault(image_id, CachedImage(image_id, entry.size_bytes)), node, entry)
    return Caches(list(cached.values()), list(queued))


def _add(shown: CachedImage, node: str, entry: CachedImageEntry) -> None:
    shown.nodes.append(node)
    shown.hits += entry.hits
    shown.fetched_at = max(filter(None, (shown.fetched_at, entry.fetched_at)), default=None)
    shown.used_at = max(filter(None, (shown.used_at, entry.used_at)), default=None)


def queue(services: Services, context: RequestContext, image_id: str, only_on: Collection[str] | None = None) -> None:
    """Have the image in the caches of all nodes that answer, or of those with these names.

    Raises NotFound, InvalidRequest (not active), Conflict (no node that keeps images answers).
    """
    now = services.clock.now()

    def permit(session: Session) -> tuple[Image, list[Node]]:
        image = images.get_visible(session, image_id, context)
        if image.status != ImageStatus.ACTIVE:
            raise InvalidRequest(f"Only images with status active can be targeted for queueing; image {image.id}.")
        living = [node for node in _living(session, services) if only_on is None or node.name in only_on]
        image_prefetches.want(session, image.id, [node.id for node in living], now)
        return image, living

    image, living = services.db.run(permit)
    spec = image_spec(images.copy_for_server(image), services.config)
    answers = _ask(services, living, FetchImage(image=spec))
    if not any(not answer.error_code for answer in answers.values()):
        said = next((answer.message for answer in answers.values()), "no node answers")
        raise Conflict(f"Image {image.id} can't be cached: {said}.")
    log.event(logger, "image.cache_queued", image_id=image.id, nodes=sorted(answers))


def drop(services: Services, context: RequestContext, image_id: str) -> None:
    """Out of all caches, but where a disk is built on it, and out of what is to come. Raises NotFound."""

    def forget(session: Session) -> tuple[Image, list[Node]]:
        image = images.get_visible(session, image_id, context)
        image_prefetches.forget(session, image.id)
        return image, _living(session, services)

    image, living = services.db.run(forget)
    if image.os_hash_value:
        _ask(services, living, DropImages(sha512s=[image.os_hash_value]))


def clear(services: Services, *, cached: bool, queued: bool) -> None:
    """Out of all caches what no disk is built on; and what is to come into them."""

    def forget(session: Session) -> list[Node]:
        if queued:
            image_prefetches.forget(session)
        return _living(session, services)

    _ask(services, services.db.run(forget), DropImages(cached=cached, queued=queued))


def _living(session: Session, services: Services) -> list[Node]:
    now, down_after_s = services.clock.now(), services.config.scheduler.node_down_after_s
    found = nodes.with_services(session)
    return [node for node, service in found if node.is_compute and is_up(service, now, down_after_s)]


def _ask(services: Services, living: Collection[Node], query: Query) -> Mapping[str, Answer]:
    """What those answer that do, by name; one that fails says so in its log and here."""
    names = [node.name for node in living]
    with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="caches") as pool:
        found = dict(zip(names, pool.map(partial(_ask_one, services, query), names), strict=True))
    return {name: answer for name, answer in found.items() if answer is not None}


def _ask_one(services: Services, query: Query, name: str) -> Answer | None:
    try:
        answer = services.bus.ask(name, query)
    except NodeUnreachable as err:
        log.event(logger, "image.cache_not_asked", logging.WARNING, node=name, reason=err.message)
        return None
    if answer.error_code:
        log.event(logger, "image.cache_refused", logging.WARNING, node=name, reason=answer.message)
    return answer
