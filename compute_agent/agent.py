"""The agent as a whole: what belongs to what, and its life from start to stop.

`start` gives every part its thread. Without it the same agent can be stepped by hand, which is what the tests of the
whole cloud do: `prepare`, then `handle` a message, `run_pending`, `beat`.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from common import log, node_seal
from common.clock import Clock
from common.config import Config
from common.errors import BusUnavailable
from common.rpc.backup_commands import EnsureBackupAbsent
from common.rpc.bus import Bus, node_queue, query_queue
from common.rpc.compute_v1 import (
    EnsureAbsent,
    EnsureStopped,
    LeaseRenewed,
    RebootInstance,
    SnapshotInstance,
    UploadSnapshot,
)
from common.rpc.queries_v1 import Answer
from common.rpc.transport import Incoming
from compute_agent import host_topology, identity
from compute_agent.backups.base import BackupStore
from compute_agent.backups.verbs import Backups
from compute_agent.console.sessions import Consoles
from compute_agent.devices import Devices
from compute_agent.health import Health, HealthServer
from compute_agent.heartbeat import Heartbeats, NodeFacts
from compute_agent.held_memory import HeldMemory
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.inbox import Inbox
from compute_agent.instances import Instances, Parts
from compute_agent.inventory import InventoryReader
from compute_agent.lanes import Lanes
from compute_agent.metrics import Metrics
from compute_agent.networking.base import Networking
from compute_agent.obey import Obey
from compute_agent.outbox import Outbox
from compute_agent.power import Power
from compute_agent.power_events import PowerEvents
from compute_agent.queries import Queries
from compute_agent.recovery import Recovery
from compute_agent.snapshots import Snapshots
from compute_agent.specs import Specs
from compute_agent.starved import Room, StarvedGuests
from compute_agent.storage.base import Storage
from compute_agent.task import Job, Restart, Task
from compute_agent.upkeep import Upkeep
from compute_agent.volumes.base import VolumeStores
from compute_agent.volumes.verbs import Volumes
from compute_agent.volumes.watch import VolumeWatch
from compute_agent.watchdog import lease
from compute_agent.watchdog.lease import Lease, LeaseFile
from compute_agent.watchdog.stopped import StoppedGuests

logger = logging.getLogger(__name__)
_STOP_S = 10.0
_MISSED_HEARTBEATS = 3


class Agent:
    """One per node and state folder. `node` is its name, `boot_id` the machine's present boot."""

    def __init__(
        self,
        config: Config,
        *,
        node: str,
        bus: Bus,
        clock: Clock,
        hypervisor: Hypervisor,
        networking: Networking,
        storage: Storage,
        volumes: VolumeStores,
        backups: BackupStore | None,
        specs: Specs,
        boot_id: str,
    ) -> None:
        """Makes the state folder. Raises ConfigError when another agent works on it."""
        self.config, self.node, self.bus, self.clock = config, node, bus, clock
        self.hypervisor, self.networking, self.storage, self.specs = hypervisor, networking, storage, specs
        self.volume_stores, self.volumes = volumes, volumes.folder
        self.backups = backups
        state_dir = Path(config.agent.state_dir)
        self._lock = identity.StateLock(state_dir)
        self._lock.take()
        self._stop = threading.Event()
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()  # whose put is safe in a signal handler
        self._threads: list[threading.Thread] = []
        self._health_server: HealthServer | None = None
        self.failed = False
        self.metrics = Metrics()
        self.metrics.collect_from(networking.counted)
        self.lanes: Lanes[Job] = Lanes(self._work, clock)
        self.outbox = Outbox(state_dir, bus.send_report, clock)
        run_folder = lease.folder(config.cloud.run_dir, node)
        self._boot_id, self._lease = boot_id, LeaseFile(run_folder)
        self.stopped_guests = StoppedGuests(run_folder, boot_id)
        self.inbox = Inbox(
            state_dir, node=node, clock=clock, outbox=self.outbox, submit=self._submit, on_lease=self._renew_lease
        )
        self._seal = node_seal.of_secret(identity.image_secret(Path(config.agent.image_secret_file)))
        self._build_verbs(boot_id, state_dir)
        self._build_watchers(boot_id, state_dir)

    def prepare(self) -> None:
        """Before the first command: networks, old copies, guests to restart, then what was left undone."""
        for job in self._recovery.prepare():
            self.lanes.put(job.instance_id, job)
        for task in self.inbox.unfinished():
            self._submit(task)

    def handle(self, body: bytes) -> None:
        """Take one message of the node's queue; see Inbox.handle."""
        self.inbox.handle(body)

    def answer(self, body: bytes) -> Answer:
        """Answer one message of the node's query queue; see Queries.answer."""
        return self._queries.answer(body)

    def run_pending(self) -> None:
        """Do all queued work in the calling thread, then send what is due."""
        self.lanes.run_pending()
        self._power_events.drain()
        self.outbox.send_due()

    def beat(self) -> bool:
        """Send one heartbeat; False when it was lost."""
        return self._heartbeats.beat()

    def look_after(self) -> None:
        """One round of what is otherwise done at intervals."""
        self._upkeep.look()
        self._volume_watch.look()

    def start(self) -> None:
        """Prepare, then give every part its thread. Raises what `prepare` raises."""
        self.prepare()
        self.hypervisor.subscribe(self._power_events.on_event)
        agent = self.config.agent
        for number in range(max(1, agent.workers)):
            self._thread(f"worker {number}", lambda: self.lanes.work(self._stop))
        self._thread("outbox", lambda: self.outbox.run(self._stop))
        self._thread("power events", lambda: self._power_events.run(self._stop))
        self._thread("heartbeat", lambda: self._heartbeats.run(agent.heartbeat_interval_s, self._stop))
        self._thread("exports", lambda: self._volume_watch.run_exports(self._stop))
        self._thread("volume watch", lambda: self._volume_watch.run(self._stop))
        self._thread("upkeep", lambda: self._upkeep.run(self._stop))
        self._thread("images", lambda: self.storage.fetch_wanted(self._stop))
        self._thread("commands", lambda: self.bus.consume(node_queue(self.node), self._on_command, self._stop))
        self._thread("queries", lambda: self.bus.consume(query_queue(self.node), self._on_query, self._stop))
        self._health_server = self._serve_health(agent.health_port)
        log.event(logger, "agent.started", node=self.node, driver=agent.driver, workers=agent.workers)

    def stop(self) -> None:
        """End all threads, as far as they end in time; guests stay as they are. What is unfinished is resumed later."""
        self._stop.set()
        self.lanes.wake()
        self.outbox.wake()
        self._power_events.wake()
        if self._health_server is not None:
            self._health_server.close()
        until = self.clock.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.1, until - self.clock.monotonic()))
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if not left:  # else a command under way would fail for want of a hypervisor instead of being resumed
            self.hypervisor.close()
        self._lock.release()
        self._ended.put(None)
        log.event(logger, "agent.stopped", node=self.node, still_busy=",".join(left))

    def ask_to_end(self) -> None:
        """Let `wait` return; safe in a signal handler."""
        self._ended.put(None)

    def wait(self) -> None:
        """Until `ask_to_end`, or until the agent finds that it can't go on: `failed` is then True."""
        self._ended.get()

    def health(self) -> Health:
        age_s = self._heartbeats.age_s()
        limit_s = _MISSED_HEARTBEATS * self.config.agent.heartbeat_interval_s
        driver, bus = self.hypervisor.healthy(), age_s is not None and age_s <= limit_s
        facts = {
            "node": self.node, "driver": "ok" if driver else "failed", "bus": "ok" if bus else "silent",
            "last_heartbeat_age_s": None if age_s is None else round(age_s, 1),
            "unacknowledged_reports": self.outbox.unacknowledged(),
        }  # fmt: skip
        return Health(driver and bus, facts)

    @property
    def health_address(self) -> tuple[str, int] | None:
        return self._health_server.address if self._health_server else None

    def _build_verbs(self, boot_id: str, state_dir: Path) -> None:
        parts = Parts(
            cloud_uuid=self.config.cloud.uuid, clock=self.clock, hypervisor=self.hypervisor,
            networking=self.networking, storage=self.storage, volumes=self.volume_stores, specs=self.specs,
            stopping=self._stop,
            shared_cpus=host_topology.shared_cpus(self.config.agent.dedicated_cpus),
            seal=self._seal, superseded=self._superseded,
        )  # fmt: skip
        instances = Instances(parts)
        power = Power(
            clock=self.clock, hypervisor=self.hypervisor, specs=self.specs, instances=instances,
            note_phase=self.inbox.note_phase, superseded=self._superseded,
        )  # fmt: skip
        held_memory = HeldMemory(
            clock=self.clock, hypervisor=self.hypervisor, specs=self.specs, instances=instances
        )  # fmt: skip
        snapshots = Snapshots(
            clock=self.clock, hypervisor=self.hypervisor, storage=self.storage, specs=self.specs, instances=instances,
            superseded=self._superseded, stopping=self._stop.is_set,
        )  # fmt: skip
        backups = Backups(
            clock=self.clock, store=self.backups, volumes=self.volumes, superseded=self._superseded,
            stopping=self._stop.is_set,
        )  # fmt: skip
        volumes = Volumes(
            clock=self.clock, hypervisor=self.hypervisor, stores=self.volume_stores, backups=backups,
            stopping=self._stop.is_set,
        )  # fmt: skip
        self._obey = Obey(
            node=self.node, clock=self.clock, hypervisor=self.hypervisor, networking=self.networking,
            specs=self.specs, instances=instances, power=power, held_memory=held_memory,
            snapshots=snapshots, volumes=volumes, backups=backups, devices=Devices(parts, instances), inbox=self.inbox,
            outbox=self.outbox,
            metrics=self.metrics,
        )  # fmt: skip
        self._recovery = Recovery(
            boot_id=boot_id, boot=identity.BootRecord(state_dir), hypervisor=self.hypervisor,
            networking=self.networking, specs=self.specs, instances=instances, stopped=self.stopped_guests,
        )  # fmt: skip

    def _build_watchers(self, boot_id: str, state_dir: Path) -> None:
        facts = NodeFacts(self.node, identity.node_id(state_dir), boot_id, self.clock.now())
        self._heartbeats = Heartbeats(
            facts, clock=self.clock, send=self.bus.send_report,
            inventory=InventoryReader(
                self.config.agent, self.hypervisor, self.clock, storage=self.config.storage, backups=self.config.backup,
                network=self.config.network,
            ),
            hypervisor=self.hypervisor,
            networking=self.networking, specs=self.specs, lanes=self.lanes, outbox=self.outbox, metrics=self.metrics,
            stopped=self.stopped_guests,
        )  # fmt: skip
        self._power_events = PowerEvents(
            node=self.node, clock=self.clock, hypervisor=self.hypervisor, specs=self.specs, lanes=self.lanes,
            post=self.outbox.post, stopped=self.stopped_guests,
        )  # fmt: skip
        self._consoles = Consoles(self.hypervisor, ca_file=self.config.agent.api_ca_file)
        self._queries = Queries(
            self.hypervisor, lives=self.specs.lives, log_path=self.storage.console_log,
            digest=self._heartbeats.digest, max_log_kib=self.config.agent.console_log_kib,
            consoles=self._consoles, storage=self.storage, volumes=self.volumes, seal=self._seal,
        )  # fmt: skip
        self._volume_watch = VolumeWatch(
            clock=self.clock, hypervisor=self.hypervisor, specs=self.specs, served=self.volumes.served
        )  # fmt: skip
        self._upkeep = Upkeep(
            volume_watch=self._volume_watch,
            clock=self.clock, networking=self.networking, storage=self.storage, volumes=self.volume_stores, specs=self.specs,
            outbox=self.outbox, metrics=self.metrics, healthy=self.hypervisor.healthy, on_unhealthy=self._give_up,
            starved=StarvedGuests(self.hypervisor, self.specs, self.lanes.busy, Room.of(self.config)),
        )  # fmt: skip

    def _submit(self, task: Task) -> None:
        self.lanes.put(task.lane, task, urgent=task.urgent)

    def _work(self, job: Job) -> float | None:
        if isinstance(job, Restart):
            self._recovery.restart(job, unwanted=self._has_tasks(job.instance_id))
            return None
        return self._obey.run(job)

    def _has_tasks(self, instance_id: str) -> bool:
        """Commands that wait say what becomes of the guest; they were written down before the host went down."""
        return any(isinstance(job, Task) for job in self.lanes.waiting(instance_id))

    def _superseded(self, task: Task) -> bool:
        """A removal of what a task makes, or, for one that only waits for a guest, any later command, is queued."""
        waits = isinstance(task.command, EnsureStopped | RebootInstance | SnapshotInstance | UploadSnapshot)
        for other in self.lanes.waiting(task.lane):
            if (
                isinstance(other, Task)
                and other.pair >= task.pair
                and (waits or isinstance(other.command, EnsureAbsent | EnsureBackupAbsent))
            ):
                return True
        return False

    def _renew_lease(self, renewed: LeaseRenewed) -> None:
        """For the watchdog: the moment this node sent a heartbeat that the control plane has committed."""
        if renewed.boot_id != self._boot_id:
            return  # of an earlier boot, whose clock this isn't
        try:
            self._lease.renew(Lease(renewed.boot_id, renewed.sent_boottime_ms), self.clock.boottime())
        except OSError as err:  # the next heartbeat's answer tries again
            log.event(logger, "agent.lease_not_written", logging.ERROR, reason=str(err))

    def _on_command(self, incoming: Incoming) -> None:
        self.handle(incoming.body)

    def _on_query(self, incoming: Incoming) -> None:
        answer = self.answer(incoming.body)
        try:
            self.bus.answer(incoming, answer)
        except BusUnavailable as err:  # whoever asked has its own deadline
            log.event(logger, "query.answer_lost", logging.WARNING, reason=err.detail[:300])

    def _give_up(self) -> None:
        self.failed = True
        self._ended.put(None)

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:  # without one of its threads the agent is half dead: a new one is better
                logger.exception("agent.thread_died")
                self._give_up()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve_health(self, port: int) -> HealthServer | None:
        if not port:
            return None
        server = HealthServer(port, self.health, self.metrics.render)
        server.start()
        return server
