"""Detach a port from a server: the node has the guest let the card go, then the port is freed, or deleted if it was
made for the server. A guest that keeps the card keeps the port.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import ports
from common.deadlines import UNPLUG_S
from common.saga.model import Local, Remote, Saga, StepContext
from scheduler.sagas.port_commands import plug_port, unplug_port
from scheduler.sagas.shared import device_stuck, device_unwound, report_error


def saga() -> Saga:
    return Saga(
        kind="server_detach_interface",
        steps=(
            Remote("unplug_port", do=unplug_port, undo=plug_port, failed=report_error, deadline_s=UNPLUG_S),
            Local("finish", do=finish),
        ),
        unwound=device_unwound,
        stuck=device_stuck,
    )


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    ports.release(session, context.instance_id, context.now, port_id=context.params["device_id"])
    return {}
