"""Volume types: made and changed by administrators, seen by whoever may use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import projects, volume_types
from common.db.models import DefaultVolumeType, VolumeType, VolumeTypeEncryption
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound

#: what users see of a type's extra specs; the rest describes the storage behind it
#: (source: Cinder administration guide, "User visible extra specs")
USER_VISIBLE = ("RESKEY:availability_zones", "multiattach", "replication_enabled")


def list_page(
    services: Services, context: RequestContext, page: Page, *, is_public: bool | None,
    extra_specs: Mapping[str, str], name: str | None,
) -> list[VolumeType]:  # fmt: skip
    """Raises InvalidRequest for an unknown sort key or marker."""
    with services.db.read() as session:
        return volume_types.list_page(session, context, page, is_public=is_public, extra_specs=extra_specs, name=name)


def show(services: Services, context: RequestContext, type_id: str) -> VolumeType:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_types.get_visible(session, type_id, context)


def default(services: Services, context: RequestContext) -> VolumeType:
    """The type of the caller's volumes that name none. Raises NotFound."""
    with services.db.read() as session:
        found = volume_types.default_of(session, context.project_id)
    if found is None:
        raise NotFound("Default volume type can not be found.")
    return found


def visible_specs(found: VolumeType, context: RequestContext) -> dict[str, str]:
    specs: dict[str, str] = found.extra_specs
    return dict(specs) if context.is_admin else {key: specs[key] for key in USER_VISIBLE if key in specs}


def create(services: Services, values: Mapping[str, Any]) -> VolumeType:
    """Raises AlreadyExists."""
    return services.db.run(lambda session: volume_types.create(session, values, services.clock.now()))


def update(services: Services, type_id: str, changes: Mapping[str, Any]) -> VolumeType:
    """Raises NotFound, AlreadyExists for another's name."""

    def change(session: Session, found: VolumeType) -> None:
        if changes.get("name") is not None and changes["name"] != found.name:
            if found.name == volume_types.DEFAULT_NAME:
                raise InvalidRequest(f"The default type {found.name} cannot be renamed.")
            volume_types.rename(session, found, changes["name"])
        if "description" in changes:
            found.description = changes["description"]
        if "is_public" in changes:
            found.is_public = changes["is_public"]

    return edit(services, type_id, change)


def edit(services: Services, type_id: str, change: Callable[[Session, VolumeType], None]) -> VolumeType:
    """Let `change` edit the locked row. Raises NotFound and what `change` raises."""

    def work(session: Session) -> VolumeType:
        found = volume_types.get_for_update(session, type_id)
        change(session, found)
        found.updated_at = services.clock.now()
        session.flush()
        return found

    return services.db.run(work)


def delete(services: Services, type_id: str) -> None:
    """Raises NotFound, InvalidRequest while it is in use."""
    services.db.run(lambda session: volume_types.delete(session, volume_types.get_for_update(session, type_id)))


def extra_spec(services: Services, context: RequestContext, type_id: str, key: str) -> str:
    """Raises NotFound for the type or the key."""
    specs = visible_specs(show(services, context, type_id), context)
    if key not in specs:
        raise _no_spec(type_id, key)
    return specs[key]


def add_extra_specs(services: Services, type_id: str, specs: Mapping[str, str]) -> None:
    """Merge specs in; all of them. Raises NotFound."""

    def change(_session: Session, found: VolumeType) -> None:
        found.extra_specs = {**found.extra_specs, **specs}

    edit(services, type_id, change)


def delete_extra_spec(services: Services, type_id: str, key: str) -> None:
    """Raises NotFound for the type or the key."""

    def change(_session: Session, found: VolumeType) -> None:
        if key not in found.extra_specs:
            raise _no_spec(type_id, key)
        found.extra_specs = {name: value for name, value in found.extra_specs.items() if name != key}

    edit(services, type_id, change)


def _no_spec(type_id: str, key: str) -> NotFound:
    return NotFound(f"Volume Type {type_id} has no extra specs with key {key[:255]}.")


# ---- who may use a private type


def access(services: Services, type_id: str) -> list[str]:
    """Ids of the projects that may use a private type. Raises NotFound, also for a public one."""
    with services.db.read() as session:
        if volume_types.get(session, type_id).is_public:
            raise NotFound("Access list not available for public volume types.")
        return volume_types.access_list(session, type_id)


def grant(services: Services, type_id: str, project_id: str) -> None:
    """Raises NotFound, AlreadyExists, InvalidRequest for a public type or no such project."""

    def work(session: Session) -> None:
        _refuse_public(volume_types.get_for_update(session, type_id))
        check_project(session, project_id)
        volume_types.add_access(session, type_id, project_id)

    services.db.run(work)


def revoke(services: Services, type_id: str, project_id: str) -> None:
    """Raises NotFound for the type or the access, InvalidRequest for a public type."""

    def work(session: Session) -> None:
        _refuse_public(volume_types.get_for_update(session, type_id))
        volume_types.remove_access(session, type_id, project_id)

    services.db.run(work)


def _refuse_public(found: VolumeType) -> None:
    if found.is_public:
        raise InvalidRequest("Invalid volume type: Type access modification is not applicable to public volume type.")


def check_project(session: Session, project_id: str) -> None:
    """Raises InvalidRequest unless there is such a project."""
    try:
        projects.get(session, project_id)
    except NotFound as err:
        raise InvalidRequest(f"Project ID {project_id} is not a valid project.") from err


# ---- encryption: kept as said, and enough to refuse volumes of the type


def encryption(services: Services, type_id: str) -> VolumeTypeEncryption | None:
    """Raises NotFound for the type."""
    with services.db.read() as session:
        volume_types.get(session, type_id)
        return volume_types.encryption_of(session, type_id)


def set_encryption(services: Services, type_id: str, values: Mapping[str, Any]) -> VolumeTypeEncryption:
    """Raises NotFound, AlreadyExists, InvalidRequest while volumes are of the type."""

    def work(session: Session) -> VolumeTypeEncryption:
        volume_types.get_for_update(session, type_id)
        return volume_types.set_encryption(session, type_id, values, services.clock.now())

    return services.db.run(work)


def change_encryption(
    services: Services, type_id: str, encryption_id: str, values: Mapping[str, Any]
) -> VolumeTypeEncryption:
    """Raises NotFound, InvalidRequest while volumes are of the type."""

    def work(session: Session) -> VolumeTypeEncryption:
        volume_types.get_for_update(session, type_id)
        return volume_types.change_encryption(session, type_id, encryption_id, values, services.clock.now())

    return services.db.run(work)


def drop_encryption(services: Services, type_id: str, encryption_id: str) -> None:
    """Raises NotFound, InvalidRequest while volumes are of the type."""

    def work(session: Session) -> None:
        volume_types.get_for_update(session, type_id)
        volume_types.drop_encryption(session, type_id, encryption_id)

    services.db.run(work)


# ---- default types of projects


def project_defaults(services: Services, project_id: str | None = None) -> list[DefaultVolumeType]:
    """Raises NotFound for a project that has none of its own."""
    with services.db.read() as session:
        found = volume_types.default_rows(session, project_id)
    if project_id is not None and not found:
        raise NotFound(f"Default type for project {project_id[:64]} not found.")
    return found


def set_project_default(services: Services, project_id: str, asked: str) -> str:
    """The type's id. Raises NotFound for the type, InvalidRequest for no such project."""
    by_name = RequestContext(request_id="", roles=frozenset({"admin"}))

    def work(session: Session) -> str:
        check_project(session, project_id)
        found = volume_types.find_visible(session, asked, by_name)
        volume_types.set_default(session, project_id, found.id, services.clock.now())
        return found.id

    return services.db.run(work)


def unset_project_default(services: Services, project_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: volume_types.unset_default(session, project_id))
