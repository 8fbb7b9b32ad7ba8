"""Group types: made and changed by administrators, seen by everybody unless they are private."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import volume_group_types as group_types
from common.db.models import VolumeGroupType
from common.db.paging import Page
from common.errors import NotFound


def list_page(services: Services, context: RequestContext, page: Page, is_public: bool | None) -> list[VolumeGroupType]:
    with services.db.read() as session:
        return group_types.list_page(session, context, page, is_public)


def show(services: Services, context: RequestContext, type_id: str) -> VolumeGroupType:
    """Raises NotFound."""
    with services.db.read() as session:
        return group_types.get_visible(session, type_id, context)


def create(services: Services, values: Mapping[str, Any]) -> VolumeGroupType:
    """Raises AlreadyExists."""
    return services.db.run(lambda session: group_types.create(session, values, services.clock.now()))


def edit(services: Services, type_id: str, change: Callable[[Session, VolumeGroupType], None]) -> VolumeGroupType:
    """Let `change` edit the locked row. Raises NotFound and what `change` raises."""

    def work(session: Session) -> VolumeGroupType:
        found = group_types.get_for_update(session, type_id)
        change(session, found)
        found.updated_at = services.clock.now()
        session.flush()
        return found

    return services.db.run(work)


def update(services: Services, type_id: str, changes: Mapping[str, Any]) -> VolumeGroupType:
    """Raises NotFound, AlreadyExists for another's name."""

    def change(session: Session, found: VolumeGroupType) -> None:
        if changes.get("name") is not None:
            group_types.rename(session, found, changes["name"])
        for name in ("description", "is_public"):
            if name in changes:
                setattr(found, name, changes[name])

    return edit(services, type_id, change)


def delete(services: Services, type_id: str) -> None:
    """Raises NotFound, InvalidRequest while groups are of it."""
    services.db.run(lambda session: group_types.delete(session, group_types.get_for_update(session, type_id)))


def spec(services: Services, context: RequestContext, type_id: str, key: str) -> str:
    """Raises NotFound for the type or the key."""
    specs = show(services, context, type_id).group_specs
    if key not in specs:
        raise _no_spec(type_id, key)
    return str(specs[key])


def add_specs(services: Services, type_id: str, specs: Mapping[str, str]) -> None:
    """Merge specs in; all of them. Raises NotFound."""

    def change(_session: Session, found: VolumeGroupType) -> None:
        found.group_specs = {**found.group_specs, **specs}

    edit(services, type_id, change)


def delete_spec(services: Services, type_id: str, key: str) -> None:
    """Raises NotFound for the type or the key."""

    def change(_session: Session, found: VolumeGroupType) -> None:
        if key not in found.group_specs:
            raise _no_spec(type_id, key)
        found.group_specs = {name: value for name, value in found.group_specs.items() if name != key}

    edit(services, type_id, change)


def _no_spec(type_id: str, key: str) -> NotFound:
    return NotFound(f"Group Type {type_id} has no specs with key {key[:255]}.")
