"""Identity providers with their protocols, mappings and service providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import FederationMapping, FederationProtocol, IdentityProvider, RemoteId, ServiceProvider
from common.errors import AlreadyExists, NotFound

Row = TypeVar("Row", IdentityProvider, FederationMapping, ServiceProvider)
_WORDS = {
    IdentityProvider: "Identity Provider",
    FederationMapping: "mapping",
    ServiceProvider: "Service Provider",
}


def get(session: Session, model: type[Row], row_id: str) -> Row:
    """Raises NotFound."""
    found = session.get(model, row_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find {_WORDS[model]}: {row_id}.")
    return found


def page(session: Session, model: type[Row], filters: Mapping[str, Any], page: paging.Page) -> list[Row]:
    """Filters: id, enabled."""
    query = sa.select(model).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": model.id}, default=[("id", False)], key=model.id)


def create(session: Session, model: type[Row], row_id: str, values: Mapping[str, Any]) -> Row:
    """Raises AlreadyExists."""
    row = model(id=row_id, **values)
    session.add(row)
    _flush(session, _WORDS[model], row_id)
    return row


def update(session: Session, row: Row, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        setattr(row, key, value)
    session.flush()


def delete(session: Session, row: IdentityProvider | FederationMapping | ServiceProvider | FederationProtocol) -> None:
    """An identity provider goes with its protocols and remote ids."""
    session.delete(row)
    session.flush()


def remote_ids(session: Session, idp_ids: Sequence[str]) -> dict[str, list[str]]:
    """By identity provider, in one statement."""
    found: dict[str, list[str]] = {idp_id: [] for idp_id in idp_ids}
    for row in session.scalars(sa.select(RemoteId).where(RemoteId.idp_id.in_(idp_ids)).order_by(RemoteId.remote_id)):
        found[row.idp_id].append(row.remote_id)
    return found


def replace_remote_ids(session: Session, idp_id: str, wanted: Sequence[str]) -> None:
    """Raises AlreadyExists for one that is another's."""
    session.execute(sa.delete(RemoteId).where(RemoteId.idp_id == idp_id))
    session.add_all(RemoteId(remote_id=each, idp_id=idp_id) for each in wanted)
    _flush(session, "remote_id", ", ".join(wanted))


def protocols_of(session: Session, idp_id: str) -> list[FederationProtocol]:
    query = sa.select(FederationProtocol).where(FederationProtocol.idp_id == idp_id)
    return list(session.scalars(query.order_by(FederationProtocol.id)))


def get_protocol(session: Session, idp_id: str, protocol_id: str) -> FederationProtocol:
    """Raises NotFound."""
    found = session.get(FederationProtocol, (idp_id, protocol_id), populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find federated protocol {protocol_id} for Identity Provider: {idp_id}.")
    return found


def create_protocol(session: Session, idp_id: str, protocol_id: str, mapping_id: str) -> FederationProtocol:
    """Raises AlreadyExists."""
    row = FederationProtocol(idp_id=idp_id, id=protocol_id, mapping_id=mapping_id)
    session.add(row)
    _flush(session, "federation_protocol", protocol_id)
    return row


def enabled_service_providers(session: Session) -> list[ServiceProvider]:
    query = sa.select(ServiceProvider).where(ServiceProvider.enabled).order_by(ServiceProvider.id)
    return list(session.scalars(query))


def _flush(session: Session, what: str, row_id: str) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store {what} - Duplicate entry found with ID {row_id}."
        ) from err
