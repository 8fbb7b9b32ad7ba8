"""Unshelving: where, if it may be said."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.compute.operations import server_references
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.servers import check_not_locked
from api.request import Services
from common.context import RequestContext
from common.db import instances
from common.errors import Conflict
from common.states import Action, VmState


@dataclass(frozen=True)
class Place:
    """unpin: the server is bound to no availability zone any more. host: an administrator's choice."""

    zone: str | None = None
    host: str | None = None
    unpin: bool = False

    @property
    def is_chosen(self) -> bool:
        return self.zone is not None or self.host is not None or self.unpin


def unshelve(services: Services, context: RequestContext, server_id: str, place: Place) -> None:
    """place: of a server that has left its node. Raises NotFound, InvalidRequest, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        offloaded = instance.vm_state == VmState.SHELVED_OFFLOADED
        if not offloaded:
            check_node(session, instance, Action.UNSHELVE, now)
        if place.is_chosen and not offloaded:
            raise Conflict(
                f"The server {instance.id} is {instance.vm_state}, not shelved_offloaded: it has its place still, "
                "so that no availability zone or host can be chosen."
            )
        server_references.check_zone(session, place.zone)
        server_references.check_node(session, place.host)
        params = {"requested_node": place.host} if place.host else {}
        operation_id = instances.begin(session, instance, Action.UNSHELVE, context, now, params).id
        if place.zone is not None or place.unpin:
            instance.availability_zone = place.zone
            session.flush()
        return operation_id, None

    begun(services, Action.UNSHELVE, work)
