"""Unshelve a server: started where it still is, or made anew from its image on a node that has room.

The image is deleted when the server runs; the disk is built on the node's own copy of it. Volumes that are served over NBD
come to whichever node it is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import images, instances, network_state, ports
from common.deadlines import ENSURE_INSTANCE_S, EXPORT_S, NODE_DOWN_S, WAIT_FOR_NODES_S
from common.errors import CloudError
from common.rpc.compute_v1 import EnsureRunning, PowerState, Report
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas import server_create, server_volumes
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_unshelve",
        steps=(
            Local("claim", do=claim, undo=release, deadline_s=WAIT_FOR_NODES_S + NODE_DOWN_S),
            Remote(
                server_volumes.EXPORT_VOLUMES, do=export_volumes, failed=report_error, deadline_s=EXPORT_S, repeats=True
            ),
            Remote(
                "ensure_instance",
                do=ensure_instance,
                undo=ensure_absent,
                failed=after_failure,
                deadline_s=ENSURE_INSTANCE_S,
            ),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def claim(session: Session, context: StepContext) -> Outcome:
    """With exports to the node for volumes that are served."""
    outcome = server_create.claim(session, context)
    if _offloaded(context) and not isinstance(outcome, Wait):
        server_volumes.assign_exports(session, context, str(outcome["node"]))
    return outcome


def export_volumes(session: Session, context: StepContext) -> Send | None:
    """None also for a server that is on its node still: it has them."""
    return server_volumes.export(session, context) if _offloaded(context) else None


def release(session: Session, context: StepContext) -> None:
    if _offloaded(context):
        server_volumes.release_exports(session, context)
        server_create.release(session, context)


def ensure_instance(session: Session, context: StepContext) -> Send | RetryFrom:
    if _offloaded(context):
        return server_create.ensure_instance(session, context)
    instance = instances.get(session, context.instance_id)
    spec = instance_spec.build(session, instance, context.config)
    fields = command_fields(context, instance, "ensure_instance")
    return Send(node_of(instance), EnsureRunning(spec=spec, **fields))


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    return server_create.ensure_absent(session, context) if _offloaded(context) else None


def after_failure(context: StepContext, report: Report) -> RetryFrom | CloudError:
    return server_create.after_failure(context, report) if _offloaded(context) else report_error(context, report)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    instance = instances.get(session, context.instance_id)
    image_id = (instance.shelved or {}).get("image_id")
    power = PowerState(context.results["ensure_instance"].get("power", PowerState.UNKNOWN))
    server_volumes.moved(session, instance, context.now)
    end_action(session, context, power, shelved=None, fault=None)
    ports.mark_active(session, context.instance_id, context.results["claim"]["epoch"], context.now)
    network_state.touch_for_networks(session, context.results["claim"].get("joined", ()))
    if image_id:
        images.mark_deleted(session, image_id, context.now)
    return {}


def _offloaded(context: StepContext) -> bool:
    return bool(context.params["from_vm_state"] == VmState.SHELVED_OFFLOADED)
