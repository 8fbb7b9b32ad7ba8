"""Attach a port to a server: bind it to the server's node, have the node plug the card in, show it as ACTIVE.

The request has made the port the server's, or made it; when the operation fails it is freed, or deleted.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, network_rates, network_state, ports, server_ports
from common.deadlines import PLUG_S
from common.errors import NotFound
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler.sagas.port_commands import plug_port, unplug_port
from scheduler.sagas.shared import device_stuck, device_unwound, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_attach_interface",
        steps=(
            Local("bind", do=bind, undo=release),
            Remote("plug_port", do=plug, undo=unplug_port, failed=report_error, deadline_s=PLUG_S),
            Local("finish", do=finish),
        ),
        unwound=device_unwound,
        stuck=device_stuck,
    )


def bind(session: Session, context: StepContext) -> dict[str, Any]:
    """Raises NotFound when the port was deleted, or taken away, meanwhile, Conflict when the node can't promise its rates."""
    instance, port_id = instances.get(session, context.instance_id), context.params["device_id"]
    if server_ports.find(session, instance.id, port_id) is None:
        raise _gone(port_id)
    node_of(instance)
    assert instance.node_id is not None
    short = network_rates.adjust(
        session, instance.id, instance.node_id, network_rates.wanted(session, instance.id, hold=True)
    )
    if short is not None:
        raise network_rates.refusal(instance.id, instance.node_id, short)
    bound = ports.bind(session, instance.id, instance.node_id, instance.epoch, context.now, port_id=port_id)
    return {"epoch": instance.epoch, "joined": list(bound.joined)}


def _gone(port_id: str) -> NotFound:
    return NotFound(f"Port {port_id} was deleted, or taken from the server, while it was being attached.")


def release(session: Session, context: StepContext) -> None:
    ports.release(session, context.instance_id, context.now, port_id=context.params["device_id"])


def plug(session: Session, context: StepContext) -> Send:
    """Raises NotFound."""
    send = plug_port(session, context)
    if send is None:
        raise _gone(context.params["device_id"])
    return send


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    """In a later transaction than `bind`: nodes that joined the network at the same moment learn of each other now."""
    done, port_id = context.results["bind"], context.params["device_id"]
    ports.mark_active(session, context.instance_id, done["epoch"], context.now, port_id=port_id)
    if done["joined"]:
        network_state.touch_for_networks(session, done["joined"])
    else:
        network_state.touch_for_name_of(session, context.instance_id)
    return {}
