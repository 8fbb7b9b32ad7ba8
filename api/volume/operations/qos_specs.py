"""QoS specs and the volume types that have them. Administrators' business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from api.request import Services
from common import volume_tuning
from common.db import volume_qos, volume_types
from common.db.models import VolumeQosSpecs, VolumeType
from common.db.paging import Page
from common.errors import InvalidRequest


def list_page(services: Services, page: Page) -> list[VolumeQosSpecs]:
    with services.db.read() as session:
        return volume_qos.list_page(session, page)


def show(services: Services, specs_id: str) -> VolumeQosSpecs:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_qos.get(session, specs_id)


def create(services: Services, name: str, consumer: str, specs: Mapping[str, str]) -> VolumeQosSpecs:
    """Raises AlreadyExists, InvalidRequest."""
    _check(consumer, specs)
    return services.db.run(lambda session: volume_qos.create(session, name, consumer, specs, services.clock.now()))


def set_keys(services: Services, specs_id: str, consumer: str | None, specs: Mapping[str, str]) -> None:
    """Merge keys in. Raises NotFound, InvalidRequest."""

    def work(session: Session) -> None:
        found = volume_qos.get(session, specs_id, lock=True)
        found.specs = {**found.specs, **specs}
        found.consumer = consumer or found.consumer
        _check(found.consumer, found.specs)
        found.updated_at = services.clock.now()

    services.db.run(work)


def unset_keys(services: Services, specs_id: str, keys: Sequence[str]) -> None:
    """Raises NotFound, InvalidRequest for a key that isn't there, or that others need."""

    def work(session: Session) -> None:
        found = volume_qos.get(session, specs_id, lock=True)
        volume_qos.unset_keys(found, keys, services.clock.now())
        _check(found.consumer, found.specs)

    services.db.run(work)


def delete(services: Services, specs_id: str, *, force: bool) -> None:
    """Raises NotFound, InvalidRequest while types have them."""
    services.db.run(
        lambda session: volume_qos.delete(session, volume_qos.get(session, specs_id, lock=True), force=force)
    )


def associations(services: Services, specs_id: str) -> list[VolumeType]:
    """Raises NotFound."""
    with services.db.read() as session:
        volume_qos.get(session, specs_id)
        return volume_qos.associations(session, specs_id)


def associate(services: Services, specs_id: str, type_id: str) -> None:
    """Raises NotFound, InvalidRequest for a type that has other specs."""

    def work(session: Session) -> None:
        volume_qos.get(session, specs_id, lock=True)
        found = volume_types.get_for_update(session, type_id)
        if found.qos_specs_id not in (None, specs_id):
            raise InvalidRequest(
                f"Invalid volume type: Type {type_id} is already associated with another qos specs: {found.qos_specs_id}."
            )
        found.qos_specs_id = specs_id

    services.db.run(work)


def disassociate(services: Services, specs_id: str, type_id: str) -> None:
    """Raises NotFound; a type that doesn't have these specs keeps what it has."""

    def work(session: Session) -> None:
        volume_qos.get(session, specs_id, lock=True)
        found = volume_types.get_for_update(session, type_id)
        if found.qos_specs_id == specs_id:
            found.qos_specs_id = None

    services.db.run(work)


def disassociate_all(services: Services, specs_id: str) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        volume_qos.get(session, specs_id, lock=True)
        volume_qos.disassociate_all(session, specs_id)

    services.db.run(work)


def _check(consumer: str, specs: Mapping[str, str]) -> None:
    """What is for hypervisors they must be able to do. Raises InvalidRequest."""
    if consumer != volume_tuning.BACK_END:
        volume_tuning.of_specs(specs, size_gib=1)
