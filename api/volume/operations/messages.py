"""Messages to users: read and deleted; they are written where an operation ends badly."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import volume_messages
from common.db.models import VolumeMessage
from common.db.paging import Page


def list_page(services: Services, project_id: str | None, equals: Mapping[str, str], page: Page) -> list[VolumeMessage]:
    """project_id None: of all projects."""
    with services.db.read() as session:
        return volume_messages.list_page(session, project_id, equals, services.clock.now(), page)


def show(services: Services, context: RequestContext, message_id: str) -> VolumeMessage:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_messages.get_visible(session, message_id, context, services.clock.now())


def delete(services: Services, context: RequestContext, message_id: str) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        found = volume_messages.get_visible(session, message_id, context, services.clock.now())
        volume_messages.delete(session, found)

    services.db.run(work)
