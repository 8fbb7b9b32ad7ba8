"""An agent on driver `fake` that tests step by hand: tell it something, run what is queued, read what it reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from common.clock import Clock, ManualClock
from common.config import Config, from_mapping
from common.errors import BusUnavailable
from common.ids import new_id
from common.rpc import compute_v1
from common.rpc.bus import Bus
from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import (
    AckReports,
    Command,
    EnsureAbsent,
    EnsureInstance,
    EnsureRunning,
    EnsureStopped,
    FixedAddress,
    FromAgent,
    Guest,
    Heartbeat,
    InstanceSpec,
    NetworkSpec,
    NetworkState,
    PortSpec,
    PowerEvent,
    PowerState,
    RebootInstance,
    RebootMode,
    RebuildInstance,
    Report,
    ReportKind,
    SyncNetwork,
    WantedPower,
)
from common.rpc.transport import Transport
from compute_agent import factory
from compute_agent.agent import Agent
from compute_agent.hypervisor.fake import FakeHypervisor

NODE = "node1"
CLOUD_UUID = "c10d0000-0000-4000-8000-000000000001"
NETWORK_ID = "11111111-0000-4000-8000-000000000001"


class KeptMessages(Transport):
    """A transport that keeps what is published, and can be made to fail like a broker that is gone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(settings(folder).bus)
        self.published: list[bytes] = []
        self.down = False

    def publish(self, queue: str, body: bytes, **_options: Any) -> None:
        if self.down:
            raise BusUnavailable("no broker")
        self.published.append(body)


def settings(folder: Path, storage: Mapping[str, str] | None = None, **agent: Any) -> Config:
    values = {
        "node": NODE, "driver": "fake", "state_dir": str(folder / "state"), "health_port": "0",
        "image_secret_file": str(folder / "state" / "node.secret"), **{key: str(value) for key, value in agent.items()},
    }  # fmt: skip
    return from_mapping(
        {
            "cloud": {"uuid": CLOUD_UUID, "log_dir": "", "run_dir": str(folder / "run")},
            "bus": {"url": "filesystem://", "folder": str(folder / "bus")},
            "network": {"networking": "none"},
            "agent": values,
            "storage": storage or {},
        }
    )


class Box:
    """One node and its agent; `restart` is what a supervisor does, `restart(boot_id=…)` a reboot of the host."""

    def __init__(self, folder: Path, storage: Mapping[str, str] | None = None, **agent: Any) -> None:
        self.folder = folder
        self.config = settings(folder, storage, **agent)
        self.clock = ManualClock()
        self.messages = KeptMessages(folder)
        self.boot_id = "boot-1"
        self.agent = self._make()

    def _make(self) -> Agent:
        bus = Bus(self.messages, self.clock)
        agent = factory.build(self.config, bus=bus, clock=self.clock, boot_id=self.boot_id)
        agent.prepare()
        return agent

    def restart(self, boot_id: str | None = None) -> None:
        self.agent.stop()
        if boot_id is not None:
            self.boot_id = boot_id
            self._power_cut()
        self.agent = self._make()

    def _power_cut(self) -> None:
        """No guest survives a reboot of its host."""
        for path in (self.state_dir / "fake" / "domains").glob("*.json"):
            domain = json.loads(path.read_text())
            path.write_text(json.dumps({**domain, "power": "shutdown"}))

    @property
    def state_dir(self) -> Path:
        return Path(self.config.agent.state_dir)

    @property
    def hypervisor(self) -> FakeHypervisor:
        assert isinstance(self.agent.hypervisor, FakeHypervisor)
        return self.agent.hypervisor

    def fault(self, **verbs: Mapping[str, Any]) -> None:
        """What faults.json says from now on."""
        (self.state_dir / "fake" / "faults.json").write_text(json.dumps(verbs))

    def tell(self, command: Command) -> None:
        self.agent.handle(compute_v1.encode(command))

    def do(self, command: Command) -> Report:
        """Tell, run, and return the last final report of the command."""
        self.tell(command)
        self.agent.run_pending()
        return self.result(command)

    def result(self, command: Command) -> Report:
        return self.results(command)[-1]

    def results(self, command: Command) -> list[Report]:
        final = (ReportKind.DONE, ReportKind.FAILED)
        return [report for report in self.reports() if report.command_id == command.id and report.kind in final]

    def sent(self) -> list[FromAgent]:
        return [compute_v1.decode_from_agent(body) for body in self.messages.published]

    def reports(self) -> list[Report]:
        return [message for message in self.sent() if isinstance(message, Report)]

    def power_events(self) -> list[PowerEvent]:
        return [message for message in self.sent() if isinstance(message, PowerEvent)]

    def heartbeat(self) -> Heartbeat:
        assert self.agent.beat()
        return [message for message in self.sent() if isinstance(message, Heartbeat)][-1]

    def power(self, instance_id: str) -> PowerState:
        state = self.hypervisor.state(instance_id)
        return state.power if state else PowerState.ABSENT

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.state_dir / folder).iterdir())


class Orders:
    """Makes commands as the control plane does, for one instance."""

    def __init__(self, clock: Clock, instance_id: str = "", life_s: float = 600.0) -> None:
        self.clock = clock
        self.instance_id = instance_id or new_id()
        self.life_s = life_s

    @property
    def spec(self) -> InstanceSpec:
        return instance_spec(self.instance_id)

    def create(self, epoch: int = 1, generation: int = 1, power: WantedPower = WantedPower.RUNNING) -> EnsureInstance:
        return EnsureInstance(spec=self.spec, power=power, **self._fields(epoch, generation))

    def start(self, epoch: int = 1, generation: int = 2) -> EnsureRunning:
        return EnsureRunning(spec=self.spec, **self._fields(epoch, generation))

    def halt(self, epoch: int = 1, generation: int = 2, timeout_s: int = 60) -> EnsureStopped:
        return EnsureStopped(timeout_s=timeout_s, **self._fields(epoch, generation))

    def reboot(
        self, epoch: int = 1, generation: int = 2, mode: RebootMode = RebootMode.SOFT, timeout_s: int = 60
    ) -> RebootInstance:
        return RebootInstance(spec=self.spec, mode=mode, timeout_s=timeout_s, **self._fields(epoch, generation))

    def rebuild(self, epoch: int = 1, generation: int = 2, power: WantedPower = WantedPower.RUNNING) -> RebuildInstance:
        return RebuildInstance(spec=self.spec, power=power, **self._fields(epoch, generation))

    def remove(self, epoch: int = 1, generation: int = 2) -> EnsureAbsent:
        return EnsureAbsent(**self._fields(epoch, generation))

    def network(self, version: int, ports: list[PortSpec] | None = None) -> SyncNetwork:
        state = NetworkState(version=version, networks=[network_spec()], ports=ports or [])
        fields = self._fields(0, version) | {"instance_id": ""}
        return SyncNetwork(state=state, **fields)

    def ack(self, *report_ids: str) -> AckReports:
        fields = self._fields(0, 0) | {"instance_id": ""}
        return AckReports(report_ids=list(report_ids), **fields)

    def _fields(self, epoch: int, generation: int) -> dict[str, Any]:
        deadline: datetime = self.clock.now() + timedelta(seconds=self.life_s)
        return {
            "id": new_id(), "operation_id": new_id(), "step": "a step", "request_id": f"req-{new_id()}",
            "instance_id": self.instance_id, "epoch": epoch, "generation": generation, "deadline": deadline,
        }  # fmt: skip


def network_spec() -> NetworkSpec:
    return NetworkSpec(id=NETWORK_ID, vni=7, mtu=1450)


def port_spec(instance_id: str, address: str = "10.88.0.5") -> PortSpec:
    return PortSpec(
        id=f"22222222{instance_id[8:]}", network_id=NETWORK_ID, mac_address="fa:16:3e:00:00:01",
        addresses=[FixedAddress(subnet_id=NETWORK_ID, ip_address=address)], instance_id=instance_id,
    )  # fmt: skip


def instance_spec(instance_id: str) -> InstanceSpec:
    return InstanceSpec(
        id=instance_id, vcpus=1, memory_mib=128, root_gib=1,
        image=ImageSpec(
            id=new_id(), sha512="0" * 128, size_bytes=1, disk_format="qcow2", virtual_size_bytes=1,
            url="http://127.0.0.1:1/none",
        ),
        guest=Guest(hostname="first", name="first", project_id=new_id()),
        ports=[port_spec(instance_id)], networks=[network_spec()],
    )  # fmt: skip


def raw(command: Command, **changes: Any) -> bytes:
    """A command's JSON with other values in it, valid or not."""
    return msgspec.json.encode({**msgspec.json.decode(compute_v1.encode(command)), **changes})
