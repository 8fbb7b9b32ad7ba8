"""The machines behind block storage: services, hosts, pools and zones."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.request import Services
from common.db import services as service_rows
from common.db import volume_services
from common.db.volume_services import HostUse, Pool, VolumeService
from common.errors import InvalidRequest, NotFound


def list_all(services: Services, *, host: str | None = None, binary: str | None = None) -> list[VolumeService]:
    with services.db.read() as session:
        return volume_services.list_all(session, host=host, binary=binary)


def set_disabled(services: Services, host: str, binary: str, reason: str | None, *, disabled: bool) -> VolumeService:
    """Raises NotFound. A disabled cinder-volume gets no new volumes."""

    def work(session: Session) -> VolumeService:
        found = volume_services.find(session, host, binary)
        volume_services.set_disabled(session, found, reason, services.clock.now(), disabled=disabled)
        session.flush()
        return volume_services.find(session, host, binary)

    return services.db.run(work)


def set_frozen(services: Services, host: str, *, frozen: bool) -> None:
    """Raises InvalidRequest, as Cinder does, for no such host."""

    def work(session: Session) -> None:
        try:
            found = volume_services.find(session, host, volume_services.VOLUME_BINARY)
        except NotFound as err:
            raise InvalidRequest(f"Host {host[:255]} is no host of volumes.") from err
        volume_services.set_frozen(session, found, services.clock.now(), frozen=frozen)

    services.db.run(work)


def use_of(services: Services, host: str) -> list[HostUse]:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_services.use_of(session, volume_services.node_of(host))


def pools(services: Services) -> list[Pool]:
    with services.db.read() as session:
        return volume_services.pools(session)


def pool(services: Services, host: str) -> Pool:
    """By any form of its host's name. Raises NotFound."""
    for found in pools(services):
        name = volume_services.host_of(found.node_name, found.backend)
        if host.partition("#")[0] in (found.node_name, name):
            return found
    raise NotFound(f"Host {host[:255]} is no host of volumes.")


def zones(services: Services) -> list[str]:
    """Names of the zones that volumes may be asked for in."""
    with services.db.read() as session:
        return sorted({volume_services.DEFAULT_ZONE, *service_rows.zone_names(session)})
