"""What agents say: reports to the operations that wait for them, heartbeats to the nodes, power events to instances.

A report counts only if its node was sent the command it is about, at that epoch; on RabbitMQ the broker's validated
user id must be that node's. Final reports are acknowledged to the agent after they are committed, known or not, so that
it stops repeating them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter

from common import log
from common.clock import Clock
from common.config import Config
from common.db import nodes, operations
from common.db.session import Database
from common.deadlines import RESEND_MAX_S
from common.errors import BusUnavailable
from common.ids import new_id
from common.killpoints import reach
from common.rpc.bus import Bus
from common.rpc.compute_v1 import AckReports, Heartbeat, PowerEvent, Report, ReportKind, decode_from_agent
from common.rpc.topology import node_user
from common.rpc.transport import Incoming
from common.saga.engine import Engine
from scheduler.reconcilers import domains
from scheduler.reconcilers.network_sync import NETWORK_STEP

logger = logging.getLogger(__name__)
Submit = Callable[[str], None]
FORGED = Counter("cumulet_forged_reports_total", "Messages that came from another than the node they name")


class ReportHandler:
    """Handles one message after another; any number of them may run beside each other."""

    def __init__(self, *, db: Database, bus: Bus, clock: Clock, config: Config, engine: Engine, submit: Submit) -> None:
        self._db, self._bus, self._clock, self._config = db, bus, clock, config
        self._engine, self._submit = engine, submit

    def handle(self, incoming: Incoming) -> None:
        """Raises msgspec errors for what is no message of this version: the transport dead-letters it."""
        message = decode_from_agent(incoming.body)
        if not self._sent_by(message.node, incoming):
            FORGED.inc()
            log.event(logger, "report.forged", logging.ERROR, claimed_node=message.node[:255], user=incoming.user_id)
            return
        if isinstance(message, Heartbeat):
            self._heartbeat(message)
        elif isinstance(message, PowerEvent):
            self._power_event(message)
        else:
            with log.bind(
                request_id=message.request_id,
                instance_id=message.instance_id,
                operation_id=message.operation_id,
                node=message.node,
            ):
                self._report(message)

    def _sent_by(self, node: str, incoming: Incoming) -> bool:
        """On RabbitMQ a message without a user, or of any but the node's own, is nobody's (BUS-01, BUS-02)."""
        if not incoming.user_id and not self._bus.transport.is_rabbitmq:
            return True
        return incoming.user_id == node_user(node)

    def _report(self, report: Report) -> None:
        if report.kind in (ReportKind.ACCEPTED, ReportKind.PROGRESS):
            ask_again_at = self._clock.now() + timedelta(seconds=RESEND_MAX_S)
            self._db.run(lambda s: operations.accepted(s, report, ask_again_at))
            return
        if report.step == NETWORK_STEP:
            if report.kind == ReportKind.DONE:
                self._db.run(lambda s: nodes.network_applied(s, report.node, report.generation))
            else:
                log.event(logger, "network_sync.failed", logging.ERROR, code=report.code, detail=report.detail)
        elif report.operation_id:
            log.event(
                logger,
                "report.received",
                kind=report.kind.value,
                step=report.step,
                code=report.code,
                reason=report.message,
                detail=report.detail,
                timings_ms=report.timings_ms,
            )
            reach("scheduler", report.step, "report_received")
            if not self._engine.deliver(report):
                reason = "the operation does not wait for this, or waits for another node or command"
                log.event(logger, "report.refused", logging.WARNING, reason=reason, code=report.code)
            reach("scheduler", report.step, "report_handled")
        self._acknowledge(report)
        reach("scheduler", report.step or "report", "report_acknowledged")

    def _acknowledge(self, report: Report) -> None:
        now = self._clock.now()
        command = AckReports(
            id=new_id(),
            operation_id="",
            step="",
            request_id=report.request_id,
            instance_id=report.instance_id,
            epoch=0,
            generation=0,
            deadline=now + timedelta(minutes=5),
            report_ids=[report.id],
        )
        try:
            self._bus.send_command(report.node, command)
        except BusUnavailable as err:  # it will be repeated, and acknowledged then
            log.event(logger, "report.ack_lost", logging.WARNING, reason=err.detail)

    def _heartbeat(self, beat: Heartbeat) -> None:
        with log.bind(node=beat.node):
            work = self._db.run(lambda s: domains.take_heartbeat(s, beat, self._config, self._clock.now()))
            for operation_id in work.operation_ids:
                self._submit(operation_id)
            for command in work.commands(beat, self._clock.now()):
                try:
                    self._bus.send_command(beat.node, command)
                except BusUnavailable as err:  # the next heartbeat shows the same difference
                    log.event(logger, "reconcile.send_failed", logging.WARNING, reason=err.detail)

    def _power_event(self, event: PowerEvent) -> None:
        with log.bind(node=event.node, instance_id=event.instance_id):
            self._db.run(lambda s: domains.take_power_event(s, event, self._clock.now()))
