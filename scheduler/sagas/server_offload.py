"""Take a shelved server from its node: disks, domain and claim go, ports and addresses stay the server's."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, nodes, ports
from common.deadlines import ENSURE_ABSENT_S
from common.rpc.compute_v1 import EnsureAbsent, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler.sagas import server_volumes
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, report_error


def saga() -> Saga:
    return Saga(
        kind="server_offload",
        steps=(
            Remote("ensure_absent", do=ensure_absent, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id)
    if instance.node_name is None:
        return None
    return Send(instance.node_name, EnsureAbsent(**command_fields(context, instance, "ensure_absent")))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    """From now on the image that was made of it is what it is made from."""
    instance = instances.get(session, context.instance_id)
    nodes.release_all(session, instance.id)
    ports.unbind(session, instance.id, context.now)
    image = (instance.shelved or {}).get("image") or instance.image
    instances.leave_node(session, instance.id, image=image)
    server_volumes.release_exports(session, context)
    server_volumes.moved(session, instances.get(session, instance.id), context.now)
    end_action(session, context, PowerState.SHUTDOWN)
    return {}
