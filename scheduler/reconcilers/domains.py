"""The database says what should be, a heartbeat what is: compare the two and mend the difference.

A guest that powered itself off becomes SHUTOFF, and so does a paused one that was killed: what it held is lost. A guest
that should be off and runs is stopped; a missing domain is restored or set to ERROR by policy; a domain that nobody
knows is removed and its disks set aside for seven days. A pass that would remove more than a tenth of a node's domains
(and at least three) removes none and raises an alarm: an old database restored must not destroy a cloud.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.orm import Session

from common import log
from common.config import Config
from common.context import RequestContext
from common.db import instances, node_life, nodes, servers_on_node
from common.db.models import Instance, Node
from common.deadlines import ENSURE_ABSENT_S, NODE_DOWN_S
from common.errors import CloudError
from common.ids import new_id, new_request_id
from common.rpc.compute_v1 import Command, DomainDigest, EnsureAbsent, Heartbeat, LeaseRenewed, PowerEvent, PowerState
from common.states import KEEPS_MEMORY, ON_NODE, Action, VmState

logger = logging.getLogger(__name__)
SETTLE_S = 15.0  # a difference counts only when the instance has been left alone for so long
ALARM_SHARE = 10
ALARM_LEAST = 3
_OFF_IS_NEWS = (VmState.ACTIVE, VmState.PAUSED)  # states in which a guest that is off was not expected to be


@dataclass
class Mending:
    """What to do after the commit: operations to hint, commands to send to the node."""

    operation_ids: list[str] = field(default_factory=list)
    removals: list[EnsureAbsent] = field(default_factory=list)
    known: bool = True  # the node is one of this cloud

    def commands(self, beat: Heartbeat, now: datetime) -> list[Command]:
        """The lease first: it must not lie behind anything that takes long."""
        return [*([_renewal(beat, now)] if self.known and beat.sent_boottime_ms else []), *self.removals]


class DiskFull(CloudError):
    """Why a server stands: its node has no room for what its guest writes."""

    code = "disk_full"


class DomainMissing(CloudError):
    code = "domain_missing"


def take_heartbeat(session: Session, beat: Heartbeat, config: Config, now: datetime) -> Mending:
    """Write the node's sign of life and compare its domains with the instances that should be there."""
    node = nodes.by_name(session, beat.node)
    if node is None:
        log.event(logger, "heartbeat.unknown_node", logging.WARNING, node_id=beat.node_id)
        return Mending(known=False)
    mending = compare(session, node, beat, config, now)
    _heard_of(session, node, now)
    nodes.heartbeat(  # after the instances: everybody else locks an instance before its node
        session,
        node,
        address=beat.inventory.address,
        inventory=msgspec.to_builtins(beat.inventory),
        boot_id=beat.boot_id,
        domains=len(beat.domains),
        network_applied=beat.network_version,
        now=now,
    )
    return mending


def _heard_of(session: Session, node: Node, now: datetime) -> None:
    """A node that was silent is back: it is not powered off, and who waits for it may ask at once."""
    if node.powered_off_at is not None:
        node.powered_off_at = None
        session.flush()
    if node.last_heartbeat_at is None or now - node.last_heartbeat_at > timedelta(seconds=NODE_DOWN_S):
        node_life.wake_waiting(session, [node.id], [node.name], now)


def compare(session: Session, node: Node, beat: Heartbeat, config: Config, now: datetime) -> Mending:
    mending = Mending()
    expected = {instance.id: instance for instance in servers_on_node.living(session, node.id)}
    seen = {digest.instance_id: digest for digest in beat.domains}
    for instance_id, instance in expected.items():
        digest = seen.get(instance_id)
        if digest is not None:
            _compare_power(session, instance, digest, beat.sent_at, mending, now)
        elif beat.complete and _settled(instance, beat.sent_at):
            _missing(session, instance, config, mending, now)
    if not beat.complete:
        return mending
    superseded, strangers = _strangers(session, node, seen.values(), expected, beat.sent_at)
    mending.removals += [_removal(digest, True, now) for digest in superseded.due]
    if node.cut_off_at is not None and not superseded.there and node_life.rejoin(session, node.id):
        log.event(logger, "node.rejoined")
    if len(strangers) >= ALARM_LEAST and len(strangers) * ALARM_SHARE > len(seen):
        log.event(
            logger,
            "reconcile.alarm",
            logging.ERROR,
            unknown_domains=len(strangers),
            domains=len(seen),
            reason="too many unknown domains: none is removed; check the database before anything else",
        )
        return mending
    mending.removals += [_removal(digest, known, now) for digest, known in strangers]
    return mending


def _compare_power(
    session: Session, instance: Instance, digest: DomainDigest, at: datetime, mending: Mending, now: datetime
) -> None:
    if digest.epoch != instance.epoch or digest.busy:
        return
    if instances.power_code(digest.power) != instance.power_state:
        instances.observe_power(session, instance.id, digest.power, at)
    _tell_of_room(session, instance, digest.starved, now)
    if instance.task_state is not None:
        return
    if instance.vm_state == VmState.ACTIVE and digest.stopped_by_node:
        operation = instances.begin(session, instance, Action.RESTORE_DOMAIN, system_context(instance), now)
        mending.operation_ids.append(operation.id)
    elif instance.vm_state in _OFF_IS_NEWS and digest.power in (PowerState.SHUTDOWN, PowerState.CRASHED):
        _powered_off(session, instance, digest.generation, digest.power, now)
    elif instance.vm_state == VmState.STOPPED and digest.power == PowerState.RUNNING and _settled(instance, at):
        operation = instances.begin(session, instance, Action.HOLD_STOPPED, system_context(instance), now)
        mending.operation_ids.append(operation.id)


def _tell_of_room(session: Session, instance: Instance, starved: bool, now: datetime) -> None:
    """A guest whose disk is full stands, loses nothing, and goes on by itself: until then its fault says so."""
    told = (instance.fault or {}).get("code") == DiskFull.code
    if starved and not told:
        error = DiskFull(
            "The server's node has no room for what its guest writes: it stands until there is room again."
        )
        instances.set_fault(session, instance.id, error, now)
        log.event(logger, "instance.starved", logging.ERROR, starved=instance.id)
    elif told and not starved:
        instances.set_fault(session, instance.id, None, now)


def take_power_event(session: Session, event: PowerEvent, now: datetime) -> None:
    """A guest's power changed without a command. Only its own node at its present epoch is believed (BUS-02)."""
    node = nodes.by_name(session, event.node)
    try:
        instance = instances.get(session, event.instance_id)
    except CloudError:
        return
    if node is None or instance.node_id != node.id or instance.epoch != event.epoch:
        log.event(logger, "power_event.refused", logging.WARNING, epoch=event.epoch)
        return
    instances.observe_power(session, instance.id, event.power, event.at)
    if (
        instance.task_state is None
        and instance.vm_state in _OFF_IS_NEWS
        and event.power in (PowerState.SHUTDOWN, PowerState.CRASHED)
    ):
        _powered_off(session, instance, event.generation, event.power, now)


def _powered_off(session: Session, instance: Instance, generation: int, power: PowerState, now: datetime) -> None:
    """Observed at an older generation, it may be the end of a start or stop that is already over: then it is old news."""
    if generation < instance.generation:
        return
    instances.transition(
        session,
        instance.id,
        VmState.STOPPED,
        expect=_OFF_IS_NEWS,
        operation_id=None,
        now=now,
        reason=f"the guest was found {power.value}",
        power_state=instances.power_code(power),
        power_state_at=now,
    )


def _missing(session: Session, instance: Instance, config: Config, mending: Mending, now: datetime) -> None:
    if instance.vm_state not in ON_NODE or instance.task_state is not None:
        return
    if instance.vm_state in (VmState.SHELVED, VmState.SOFT_DELETED):
        return  # its image or disks are what counts; it is taken from the node, or made anew, with the next action
    log.event(
        logger, "reconcile.domain_missing", logging.WARNING, missing=instance.id, policy=config.scheduler.missing_domain
    )
    if config.scheduler.missing_domain == "restore" and instance.vm_state in KEEPS_MEMORY:
        _memory_lost(session, instance, now)  # restored as a stopped one when it is missed again
        return
    if config.scheduler.missing_domain == "restore":
        operation = instances.begin(session, instance, Action.RESTORE_DOMAIN, system_context(instance), now)
        mending.operation_ids.append(operation.id)
        return
    instances.set_fault(session, instance.id, DomainMissing("The server's domain is gone from its node."), now)
    instances.transition(
        session,
        instance.id,
        VmState.ERROR,
        expect=tuple(ON_NODE - {VmState.SHELVED, VmState.SOFT_DELETED}),
        operation_id=None,
        now=now,
        reason="domain missing",
    )


def _memory_lost(session: Session, instance: Instance, now: datetime) -> None:
    instances.transition(
        session,
        instance.id,
        VmState.STOPPED,
        expect=tuple(KEEPS_MEMORY),
        operation_id=None,
        now=now,
        reason="the domain is missing, and with it what the guest held in memory",
    )


@dataclass(frozen=True)
class Superseded:
    """Domains of instances that the database knows to be deleted or at a later epoch. due: to be removed now."""

    there: bool
    due: list[DomainDigest]


def _strangers(
    session: Session, node: Node, seen: Iterable[DomainDigest], expected: dict[str, Instance], at: datetime
) -> tuple[Superseded, list[tuple[DomainDigest, bool]]]:
    """Domains that should not be on this node. Of the second kind, which an old database restored could also bring
    about, True: the database knows the instance, elsewhere."""
    candidates = [
        digest
        for digest in seen
        if digest.instance_id not in expected or expected[digest.instance_id].epoch > digest.epoch
    ]
    rows = servers_on_node.by_ids(session, [digest.instance_id for digest in candidates]) if candidates else {}
    superseded, due, found = False, [], []
    for digest in candidates:
        instance = rows.get(digest.instance_id)
        if instance is None:
            found += [] if digest.busy else [(digest, False)]
        elif instance.epoch > digest.epoch:  # another copy is the server: this one goes before anything else
            superseded = True
            due.append(digest)
        elif instance.deleted:
            superseded = True
            due += [digest] if _settled(instance, at) and not digest.busy else []
        elif instance.node_id != node.id and instance.task_state is None and _settled(instance, at):
            found += [] if digest.busy else [(digest, True)]
    return Superseded(superseded, due), found


def _renewal(beat: Heartbeat, now: datetime) -> LeaseRenewed:
    return LeaseRenewed(
        id=new_id(), operation_id="", step="lease", request_id="", instance_id="", epoch=0, generation=0,
        deadline=now + timedelta(seconds=NODE_DOWN_S), boot_id=beat.boot_id, sent_boottime_ms=beat.sent_boottime_ms,
    )  # fmt: skip


def _removal(digest: DomainDigest, known: bool, now: datetime) -> EnsureAbsent:
    log.event(
        logger, "reconcile.remove_domain", logging.WARNING, removed=digest.instance_id, epoch=digest.epoch, known=known
    )
    return EnsureAbsent(
        id=new_id(),
        operation_id="",
        step="reconcile",
        request_id=new_request_id(),
        instance_id=digest.instance_id,
        epoch=digest.epoch,
        generation=digest.generation,
        deadline=now + timedelta(seconds=ENSURE_ABSENT_S),
        keep_disks=not known,
    )


def _settled(instance: Instance, at: datetime) -> bool:
    return at - instance.updated_at > timedelta(seconds=SETTLE_S)


def system_context(instance: Instance) -> RequestContext:
    """Who a reconciler's operation is by: the owner's project, no user."""
    return RequestContext(request_id=new_request_id(), project_id=instance.project_id)
