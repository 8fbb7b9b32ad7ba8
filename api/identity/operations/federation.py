"""What the calls about federation mean: bookkeeping about partners. Nobody logs in by it; service providers are in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.db import domains
from common.db import federation as stored
from common.db.models import FederationMapping, FederationProtocol, IdentityProvider, ServiceProvider
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound
from common.ids import new_hex_id

RELAY_STATE_PREFIX = "ss:mem:"


@dataclass(frozen=True)
class Idp:
    row: IdentityProvider
    remote_ids: list[str]


def list_idps(services: Services, filters: Mapping[str, Any], page: Page) -> list[Idp]:
    with services.db.read() as session:
        rows = stored.page(session, IdentityProvider, filters, page)
        remote = stored.remote_ids(session, [row.id for row in rows])
        return [Idp(row, remote[row.id]) for row in rows]


def show_idp(services: Services, idp_id: str) -> Idp:
    """Raises NotFound."""
    with services.db.read() as session:
        return _idp(session, stored.get(session, IdentityProvider, idp_id))


def create_idp(services: Services, idp_id: str, given: Mapping[str, Any]) -> Idp:
    """Without a domain it gets one of its own. Raises AlreadyExists, InvalidRequest for an unknown domain."""
    now = services.clock.now()

    def work(session: Session) -> Idp:
        values = {name: given[name] for name in ("description", "enabled", "authorization_ttl") if name in given}
        domain_id = given.get("domain_id")
        if domain_id is None:
            description = f"Auto generated federated domain for Identity Provider: {idp_id}"
            new = {"description": description, "enabled": True, "tags": [], "extra": {}}
            domain_id = domains.create(session, {**new, "name": new_hex_id()}, now).id
        elif domains.find(session, domain_id=domain_id) is None:
            raise InvalidRequest(f"Could not find domain: {domain_id}.")
        row = stored.create(session, IdentityProvider, idp_id, {**values, "domain_id": domain_id})
        stored.replace_remote_ids(session, idp_id, given.get("remote_ids") or [])
        return _idp(session, row)

    return services.db.run(work)


def update_idp(services: Services, idp_id: str, given: dict[str, Any]) -> Idp:
    """Raises NotFound, AlreadyExists for a remote id that is another's."""

    def work(session: Session) -> Idp:
        row = stored.get(session, IdentityProvider, idp_id)
        changes = dict(given)
        if "remote_ids" in changes:
            stored.replace_remote_ids(session, idp_id, changes.pop("remote_ids") or [])
        stored.update(session, row, changes)
        return _idp(session, row)

    return services.db.run(work)


def delete_idp(services: Services, idp_id: str) -> None:
    """With its protocols; its domain stays. Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get(session, IdentityProvider, idp_id)))


def list_protocols(services: Services, idp_id: str) -> list[FederationProtocol]:
    with services.db.read() as session:
        return stored.protocols_of(session, idp_id)


def show_protocol(services: Services, idp_id: str, protocol_id: str) -> FederationProtocol:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.get_protocol(session, idp_id, protocol_id)


def create_protocol(services: Services, idp_id: str, protocol_id: str, mapping_id: str) -> FederationProtocol:
    """Raises NotFound for the provider, InvalidRequest for the mapping, AlreadyExists."""

    def work(session: Session) -> FederationProtocol:
        stored.get(session, IdentityProvider, idp_id)
        _check_mapping(session, mapping_id)
        return stored.create_protocol(session, idp_id, protocol_id, mapping_id)

    return services.db.run(work)


def update_protocol(services: Services, idp_id: str, protocol_id: str, mapping_id: str) -> FederationProtocol:
    """Raises NotFound, InvalidRequest for the mapping."""

    def work(session: Session) -> FederationProtocol:
        row = stored.get_protocol(session, idp_id, protocol_id)
        _check_mapping(session, mapping_id)
        row.mapping_id = mapping_id
        return row

    return services.db.run(work)


def delete_protocol(services: Services, idp_id: str, protocol_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get_protocol(session, idp_id, protocol_id)))


def list_mappings(services: Services, page: Page) -> list[FederationMapping]:
    with services.db.read() as session:
        return stored.page(session, FederationMapping, {}, page)


def show_mapping(services: Services, mapping_id: str) -> FederationMapping:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.get(session, FederationMapping, mapping_id)


def create_mapping(services: Services, mapping_id: str, rules: list[Any]) -> FederationMapping:
    """Raises AlreadyExists."""
    return services.db.run(lambda session: stored.create(session, FederationMapping, mapping_id, {"rules": rules}))


def update_mapping(services: Services, mapping_id: str, rules: list[Any]) -> FederationMapping:
    """Raises NotFound."""

    def work(session: Session) -> FederationMapping:
        row = stored.get(session, FederationMapping, mapping_id)
        stored.update(session, row, {"rules": rules})
        return row

    return services.db.run(work)


def delete_mapping(services: Services, mapping_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get(session, FederationMapping, mapping_id)))


def list_sps(services: Services, filters: Mapping[str, Any], page: Page) -> list[ServiceProvider]:
    with services.db.read() as session:
        return stored.page(session, ServiceProvider, filters, page)


def show_sp(services: Services, sp_id: str) -> ServiceProvider:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.get(session, ServiceProvider, sp_id)


def create_sp(services: Services, sp_id: str, given: Mapping[str, Any]) -> ServiceProvider:
    """Raises AlreadyExists."""
    values = {**given, "relay_state_prefix": given.get("relay_state_prefix") or RELAY_STATE_PREFIX}
    return services.db.run(lambda session: stored.create(session, ServiceProvider, sp_id, values))


def update_sp(services: Services, sp_id: str, given: dict[str, Any]) -> ServiceProvider:
    """Raises NotFound."""

    def work(session: Session) -> ServiceProvider:
        row = stored.get(session, ServiceProvider, sp_id)
        stored.update(session, row, given)
        return row

    return services.db.run(work)


def delete_sp(services: Services, sp_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get(session, ServiceProvider, sp_id)))


def _idp(session: Session, row: IdentityProvider) -> Idp:
    return Idp(row, stored.remote_ids(session, [row.id])[row.id])


def _check_mapping(session: Session, mapping_id: str) -> None:
    try:
        stored.get(session, FederationMapping, mapping_id)
    except NotFound as err:
        raise InvalidRequest(err.message) from err
