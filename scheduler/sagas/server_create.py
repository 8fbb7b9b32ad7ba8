"""Create a server: claim a node, have it make the guest, finish. A failure another node might not have moves on.

Volumes that it is to have come first: they are claimed and made on the same node, or served to it, and waited for.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, network_state, node_life, nodes, ports
from common.deadlines import ENSURE_INSTANCE_S, ENSURE_VOLUME_S, EXPORT_S, NODE_DOWN_S, WAIT_FOR_NODES_S
from common.errors import CloudError, NoValidNode
from common.placement import abilities, neighbours, policy, volume_filters
from common.placement import request as placement_request
from common.placement.filters import all_silent
from common.placement.recent import RecentChoices
from common.placement.select import choose, summary
from common.rpc.compute_v1 import EnsureAbsent, EnsureInstance, PowerState, Report
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from common.states import VmState
from scheduler import instance_spec, volume_places
from scheduler.sagas import server_volumes
from scheduler.sagas.shared import (
    NodeSilent,
    action_stuck,
    action_unwound,
    command_fields,
    hand_over,
    report_error,
    sealed_password,
)


def saga() -> Saga:
    return Saga(
        kind="server_create",
        steps=(
            Local("claim", do=claim, undo=release, deadline_s=WAIT_FOR_NODES_S + NODE_DOWN_S),
            Local(
                "attach_volumes",
                do=server_volumes.attach,
                undo=server_volumes.reserve_again,
                needed=server_volumes.needed,
                deadline_s=ENSURE_VOLUME_S,
            ),
            Remote(
                server_volumes.EXPORT_VOLUMES,
                do=server_volumes.export,
                failed=report_error,
                deadline_s=EXPORT_S,
                repeats=True,
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
        unwound=unwound,
        stuck=stuck,
    )


_rng = random.Random()
_recent = RecentChoices()
_IMPATIENT = 8  # nodes that are tried before one waits for another claim to be committed
SILENCE_POLL_S = 2.0


def claim(session: Session, context: StepContext) -> Outcome:
    """Choose a node and claim on it; the next best when another scheduler was quicker.

    While no node at all is heard of, wait: it is the broker that is away, and a server that was accepted must not fail.
    """
    instance = instances.get(session, context.instance_id)
    if instance.node_id is not None:  # written in the transaction of the claim: done before, and it stands
        return {"node": instance.node_name, "node_id": instance.node_id, "epoch": instance.epoch}
    tried = frozenset(context.results.get("tried", []))
    request = placement_request.from_instance(instance, context.params, tried)
    used = policy.from_config(context.config.scheduler)
    made = server_volumes.unplaced(session, context)
    if server_volumes.may_be_served(context):
        used = replace(used, filters=(*used.filters, *volume_filters.FILTERS))
        request = server_volumes.within_reach(session, context, request)
    request = abilities.consider(session, neighbours.consider(session, instance, request), used)
    if server_volumes.may_be_served(context):
        request = volume_places.beside_its_volumes(session, instance, request)
    amounts, request = request.amounts, server_volumes.beside(session, request, made)
    views = context.placement.current(session, context.now)
    decision = choose(request, views, context.now, _rng, used)
    _recent.spread(decision, request, context.now)
    # first without waiting for other claims, which as a rule are made where the view says that most is free
    tries = ((node, False) for node in decision.candidates[:_IMPATIENT])
    for node, patient in chain(tries, ((node, True) for node in decision.candidates)):
        if not nodes.claim(
            session,
            consumer_id=instance.id,
            node_id=node.id,
            amounts=amounts,
            project_id=instance.project_id,
            user_id=instance.user_id,
            now=context.now,
            patient=patient,
        ):
            continue
        if made and not server_volumes.claim(session, context, node, made, request):
            nodes.release(session, consumer_id=instance.id, node_id=node.id)
            continue
        epoch = instances.place(session, instance, node.id, node.name, context.operation.id, context.now)
        bound = ports.bind(session, instance.id, node.id, epoch, context.now)
        context.reasoning.update(decision.reasoning(node.name))
        return {"node": node.name, "node_id": node.id, "epoch": epoch, "ports": bound.ports, "joined": bound.joined}
    waited = context.now - context.operation.created_at
    if waited < timedelta(seconds=WAIT_FOR_NODES_S) and all_silent(views, context.now):
        return Wait(SILENCE_POLL_S)
    reasoning = decision.reasoning(None)
    last = context.operation.error if tried else None
    if last is None:
        raise NoValidNode(
            f"No valid host was found: {summary(decision)}.", detail=reasoning["nearest_fix"], reasoning=reasoning
        )
    raise NoValidNode(
        f"No valid host was found: {len(tried)} tried, the last failure was: {last['message']}",
        detail=str(last.get("detail", "")),
        reasoning=reasoning,
    )


def release(session: Session, context: StepContext) -> None:
    """Give the claim back and forget the node; one that failed gets servers after others from now on."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if instance.node_id is not None and instance.node_name in context.results.get("tried", [])[-1:]:
        nodes.build_failed(session, instance.node_id)
    nodes.release_all(session, context.instance_id)
    ports.unbind(session, context.instance_id, context.now)
    instances.leave_node(session, context.instance_id)


def ensure_instance(session: Session, context: StepContext) -> Send | RetryFrom:
    instance = instances.held(session, context.instance_id)
    assert instance.node_name is not None
    assert instance.node_id is not None
    if context.operation.sent is not None and node_life.is_cut_off(session, instance.node_id):
        return _without_node(session, context, instance.node_id, instance.node_name)
    plugged = context.results["claim"].get("ports") != 0
    with_volumes = server_volumes.may_be_served(context)
    spec = instance_spec.build(session, instance, context.config, plugged=plugged, with_volumes=with_volumes)
    command = EnsureInstance(
        spec=spec,
        sealed_password=sealed_password(session, context, instance),
        **command_fields(context, instance, "ensure_instance"),
    )
    return Send(instance.node_name, command)


def _without_node(session: Session, context: StepContext, node_id: str, name: str) -> RetryFrom:
    """The node is cut off: on to another, at the next epoch. Raises NodeSilent when the disks could be seen there too.

    Safe for what never ran: whatever the node has half made is on its own disks, it is nobody's tunnel peer, and it
    won't be one before it has confirmed that nothing of this epoch is left (server_remains).
    """
    error = NodeSilent("The node that was building the server does not answer any more.", node=name)
    tried = [*context.results.get("tried", []), name]
    if nodes.has_shared_instances(session, node_id) or len(tried) >= context.config.scheduler.max_attempts:
        raise error
    context.operation.results = {**context.operation.results, "tried": tried}
    return RetryFrom("claim", error)


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id, deleted=True)
    if instance.node_name is None or instance.epoch in context.absent_epochs():
        return None
    if instance.node_id is not None and node_life.is_cut_off(session, instance.node_id):
        hand_over(session, context, instance, with_ports=False)
        return None
    return Send(instance.node_name, EnsureAbsent(**command_fields(context, instance, "ensure_instance")))


def after_failure(context: StepContext, report: Report) -> RetryFrom | CloudError:
    """Another node, while there are attempts left and the failure is one that another node might not have."""
    tried = [*context.results.get("tried", []), report.node]
    context.operation.results = {**context.operation.results, "tried": tried}
    error = report_error(context, report)
    if report.retry_elsewhere and len(tried) < context.config.scheduler.max_attempts:
        return RetryFrom("claim", error)
    return error


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """Volumes are given up only now: another try, on another node, has them still."""
    if server_volumes.needed(context):
        server_volumes.give_up(session, context)
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """Its volumes stay its own until it is deleted, and are held no longer."""
    server_volumes.let_go(session, context)
    action_stuck(session, context, error)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    server_volumes.let_go(session, context)
    power = PowerState(context.results["ensure_instance"]["power"])
    node_id = context.results["claim"]["node_id"]
    if context.placement.has_failed(node_id):
        nodes.build_succeeded(session, node_id)
    instances.finish(
        session,
        context.instance_id,
        VmState.ACTIVE,
        expect=(VmState.BUILDING,),
        operation_id=context.operation.id,
        now=context.now,
        reason="created",
        launched_at=context.now,
        progress=100,
        power_state=instances.power_code(power),
        power_state_at=context.now,
    )
    if context.results["claim"].get("ports") != 0:
        ports.mark_active(session, context.instance_id, context.results["claim"]["epoch"], context.now)
        # in a later transaction than the claim: nodes that joined at the same moment learn of each other now
        joined = context.results["claim"].get("joined", ())
        if joined:
            network_state.touch_for_networks(session, joined)
        else:
            network_state.touch_for_name_of(session, context.instance_id)
    return {}
