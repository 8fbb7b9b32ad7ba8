"""What the agent counts, for /metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from common.rpc.compute_v1 import DomainDigest, PowerState, Report
from compute_agent.networking.router_meter import Count
from compute_agent.task import Task

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class _Metering(Collector):
    """Counts by router and label. A router that another node took over is counted anew there."""

    def __init__(self, counted: Callable[[], Sequence[Count]]) -> None:
        self._counted = counted

    def collect(self) -> Iterable[CounterMetricFamily]:
        octets = CounterMetricFamily("cumulet_metered_bytes", "By metering label", labels=("router", "label"))
        packets = CounterMetricFamily("cumulet_metered_packets", "By metering label", labels=("router", "label"))
        for each in self._counted():
            octets.add_metric((each.router_id, each.label_id), each.octets)
            packets.add_metric((each.router_id, each.label_id), each.packets)
        return (octets, packets)

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Nothing: else the counts would be fetched to find out their names."""
        return ()


class Metrics:
    """A registry of its own, so that several agents fit in one process."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._commands = prometheus.Counter(
            "cumulet_agent_commands", "Commands ended", ("kind", "result", "code"), registry=self.registry
        )
        self._phases = prometheus.Histogram(
            "cumulet_agent_phase_seconds", "Time inside outside tools, by step", ("phase",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._guests = prometheus.Gauge(
            "cumulet_agent_guests", "Domains of this cloud by power state", ("power",), registry=self.registry
        )
        self._unacknowledged = prometheus.Gauge(
            "cumulet_agent_reports_unacknowledged", "Final reports not acknowledged yet", registry=self.registry
        )
        self._heartbeats = prometheus.Counter(
            "cumulet_agent_heartbeats", "Heartbeats by result", ("result",), registry=self.registry
        )
        self._healed = prometheus.Counter(
            "cumulet_agent_networking_healed", "Missing network parts that were put back", registry=self.registry
        )

    def collect_from(self, counted: Callable[[], Sequence[Count]]) -> None:
        """Tell what metering labels have counted whenever somebody asks for the metrics."""
        self.registry.register(_Metering(counted))

    def command_ended(self, task: Task, report: Report) -> None:
        kind = str(task.command.__struct_config__.tag)
        self._commands.labels(kind=kind, result=report.kind.value, code=report.code).inc()
        for phase, took_ms in task.timings_ms.items():
            self._phases.labels(phase=phase).observe(took_ms / 1000)

    def beaten(self, domains: Iterable[DomainDigest], unacknowledged: int, *, sent: bool) -> None:
        tally = Tally(domain.power for domain in domains)
        for power in PowerState:
            self._guests.labels(power=power.value).set(tally[power])
        self._unacknowledged.set(unacknowledged)
        self._heartbeats.labels(result="sent" if sent else "lost").inc()

    def healed(self, count: int) -> None:
        self._healed.inc(count)

    def render(self) -> bytes:
        return prometheus.generate_latest(self.registry)
