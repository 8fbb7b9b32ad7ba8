"""Aggregates of nodes, for administrators; each change is one transaction with what it means for the nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.image.operations import node_caches
from api.request import Services
from common.context import RequestContext
from common.db import aggregates
from common.db.aggregates import RATIOS, ZONE, as_ratio
from common.db.models import Aggregate
from common.errors import InvalidRequest, NotFound


@dataclass(frozen=True)
class Shown:
    aggregate: Aggregate
    hosts: Sequence[str]


def list_all(services: Services) -> list[Shown]:
    with services.db.read() as session:
        found = aggregates.list_all(session)
        hosts = aggregates.hosts(session, [row.number for row in found])
        return [Shown(row, hosts.get(row.number, ())) for row in found]


def show(services: Services, aggregate_id: str) -> Shown:
    """Raises NotFound."""
    with services.db.read() as session:
        return _shown(session, aggregates.get(session, _number(aggregate_id)))


def create(services: Services, name: str, zone: str | None) -> Shown:
    """Raises AlreadyExists."""
    return services.db.run(lambda session: Shown(aggregates.create(session, name, zone, services.clock.now()), ()))


def update(services: Services, aggregate_id: str, name: str | None, zone: Mapping[str, str | None]) -> Shown:
    """`zone`: empty, or the key availability_zone with what it is to be. Raises NotFound, AlreadyExists, InvalidRequest."""

    def change(session: Session, found: Aggregate) -> None:
        if name is not None:
            aggregates.rename(session, found, name, services.clock.now())
        if zone:
            aggregates.set_properties(session, found, zone, services.clock.now())

    return _changed(services, aggregate_id, change)


def set_metadata(services: Services, aggregate_id: str, metadata: Mapping[str, str | None]) -> Shown:
    """Merge; None takes a key away. Raises NotFound, InvalidRequest for a zone or ratio that can't be."""
    for key in RATIOS.keys() & metadata.keys():
        value = metadata[key]
        if value is not None and as_ratio(value) is None:
            raise InvalidRequest(
                f"Invalid input for field/attribute {key}. Value: {value}. A positive number is needed."
            )
    if ZONE in metadata and not metadata[ZONE] and metadata[ZONE] is not None:
        raise InvalidRequest("Invalid input for field/attribute availability_zone. Value: . It can't be empty.")

    def change(session: Session, found: Aggregate) -> None:
        aggregates.set_properties(session, found, metadata, services.clock.now())

    return _changed(services, aggregate_id, change)


def delete(services: Services, aggregate_id: str) -> None:
    """Raises NotFound, InvalidRequest for one that has nodes."""
    services.db.run(
        lambda session: aggregates.delete(session, aggregates.get(session, _number(aggregate_id), hold=True))
    )


def add_host(services: Services, aggregate_id: str, host: str) -> Shown:
    """Raises NotFound, Conflict."""
    return _changed(services, aggregate_id, lambda session, found: aggregates.add_host(session, found, host))


def remove_host(services: Services, aggregate_id: str, host: str) -> Shown:
    """Raises NotFound, Conflict."""
    return _changed(services, aggregate_id, lambda session, found: aggregates.remove_host(session, found, host))


def cache_images(services: Services, context: RequestContext, aggregate_id: str, image_ids: Sequence[str]) -> None:
    """Have the images in the caches of the aggregate's nodes, as far as these answer.

    Raises NotFound (the aggregate), InvalidRequest (an image that is not there or not active), Conflict (no node answers).
    """
    shown = show(services, aggregate_id)
    for image_id in image_ids:
        try:
            node_caches.queue(services, context, image_id, only_on=shown.hosts)
        except NotFound as err:
            raise InvalidRequest(err.message) from err


def _changed(services: Services, aggregate_id: str, change: Callable[[Session, Aggregate], None]) -> Shown:
    def work(session: Session) -> Shown:
        found = aggregates.get(session, _number(aggregate_id), hold=True)
        change(session, found)
        return _shown(session, found)

    return services.db.run(work)


def _shown(session: Session, found: Aggregate) -> Shown:
    return Shown(found, aggregates.hosts(session, [found.number]).get(found.number, ()))


def _number(aggregate_id: str) -> int:
    if not (aggregate_id.isascii() and aggregate_id.isdecimal() and len(aggregate_id) < 10):
        raise NotFound(f"Aggregate {aggregate_id[:64]} could not be found.")
    return int(aggregate_id)
