"""Devices that come to a guest or leave it while it is there, running or not: network cards of ports, volumes.

What the node remembers of the instance is changed first, so that every later start is right; a running guest is then
given the device, or asked to let it go. It is asked in looks that hold no worker, and again and again: a guest that is
still booting does not hear the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from common.deadlines import UNPLUG_PATIENCE_S
from common.errors import HypervisorError, NotFound, StaleCommand
from common.rpc.compute_v1 import (
    DeviceCommand,
    GroupMembers,
    InstanceSpec,
    NetworkSpec,
    PlugPort,
    PortSpec,
    PowerState,
    UnplugPort,
)
from common.rpc.volume_commands import PlugVolume, UnplugVolume
from compute_agent import guest_domain
from compute_agent.hypervisor.base import DomainState
from compute_agent.instances import Instances, Parts
from compute_agent.specs import Known
from compute_agent.task import Again, Outcome, Task

ASK_EVERY_S = 6.0  # QEMU refuses a request within five seconds of the last one for the same device
_ON = (PowerState.RUNNING, PowerState.PAUSED)


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Identified)


class Devices:
    """The verbs of the device class. Calls for one instance are serial (lanes.py)."""

    def __init__(self, parts: Parts, instances: Instances) -> None:
        self._parts = parts
        self._instances = instances

    def obey(self, task: Task, command: DeviceCommand, state: DomainState | None) -> Outcome | Again:
        match command:
            case PlugPort():
                return self.plug_port(task, command, state)
            case UnplugPort():
                return self.unplug_port(task, command, state)
            case PlugVolume():
                return self.plug_volume(task, command, state)
            case UnplugVolume():
                return self.unplug_volume(task, command, state)

    def plug_port(self, task: Task, command: PlugPort, state: DomainState | None) -> Outcome:
        """Raises NotFound when the node does not have the server, NetworkingError, HypervisorError."""
        known, spec = self._known(command)
        parts = self._parts
        with task.measure("ports", parts.clock):
            (nic,) = parts.networking.ensure_ports(
                command.networks, [command.port], command.groups, command.network_version
            )
        parts.specs.device_obeyed(known, command, _with_port(spec, command.port, command.networks, command.groups))
        if state is not None and state.power in _ON:
            with task.measure("domain", parts.clock):
                parts.hypervisor.ensure_plugged(command.instance_id, guest_domain.card(spec, nic))
        return Outcome(power=self._instances.power(command.instance_id))

    def unplug_port(self, task: Task, command: UnplugPort, state: DomainState | None) -> Outcome | Again:
        """Raises HypervisorError when the guest keeps the card."""
        known = self._parts.specs.get(command.instance_id)
        if known is not None and not known.gone and known.spec is not None:
            spec = _without_port(known.spec, command.device_id)
            self._parts.specs.device_obeyed(known, command, spec)
        return self._until_gone(task, command, command.mac_address, state)

    def plug_volume(self, task: Task, command: PlugVolume, state: DomainState | None) -> Outcome:
        """Raises NotFound when the node does not have the server, StorageError when not the volume, HypervisorError."""
        known, spec = self._known(command)
        parts = self._parts
        with task.measure("connection", parts.clock):
            disk = guest_domain.volume_disk(command.volume, parts.volumes)
        new = msgspec.structs.replace(spec, volumes=_put(spec.volumes, [command.volume]))
        parts.specs.device_obeyed(known, command, new)
        if state is not None and state.power in _ON:
            with task.measure("domain", parts.clock):
                parts.hypervisor.ensure_plugged(command.instance_id, disk)
        return Outcome(power=self._instances.power(command.instance_id))

    def unplug_volume(self, task: Task, command: UnplugVolume, state: DomainState | None) -> Outcome | Again:
        """Raises HypervisorError when the guest keeps the disk."""
        known = self._parts.specs.get(command.instance_id)
        if known is not None and not known.gone and known.spec is not None:
            kept = [each for each in known.spec.volumes if each.id != command.device_id]
            spec = msgspec.structs.replace(known.spec, volumes=kept)
            self._parts.specs.device_obeyed(known, command, spec)
        outcome = self._until_gone(task, command, command.device, state)
        if command.export_id and isinstance(outcome, Outcome):
            with task.measure("connection", self._parts.clock):
                self._parts.volumes.folder.served.disconnect(command.export_id)
        return outcome

    def _known(self, command: DeviceCommand) -> tuple[Known, InstanceSpec]:
        known = self._parts.specs.get(command.instance_id)
        if known is None or known.gone or known.spec is None:
            raise NotFound(f"server {command.instance_id} is not on this node, or not known here any more")
        return known, known.spec

    def _until_gone(
        self, task: Task, command: DeviceCommand, address: str, state: DomainState | None
    ) -> Outcome | Again:
        """Ask a running guest to let the device at `address` go, look, ask again; give up in time."""
        parts, instance_id = self._parts, command.instance_id
        if state is None or state.power not in _ON or not parts.hypervisor.is_plugged(instance_id, address):
            return Outcome(power=self._instances.power(instance_id))
        if parts.superseded(task):
            raise StaleCommand(f"server {instance_id} is being removed")
        now = parts.clock.monotonic()
        if task.begun_at is None:  # not written down: a restarted agent gives the guest its time again
            task.begun_at = now
        if now - task.begun_at >= UNPLUG_PATIENCE_S:
            raise HypervisorError(
                f"the guest of server {instance_id} did not let the device {command.device_id} go within "
                f"{UNPLUG_PATIENCE_S:.0f} s; it may be starting, busy or without hot plug: try again, or stop it before",
                instance_id=instance_id,
            )
        if task.pressed_at is None or now - task.pressed_at >= ASK_EVERY_S:
            task.pressed_at = now
            with task.measure("domain", parts.clock):
                parts.hypervisor.request_unplug(instance_id, address)
        return task.look_again(UNPLUG_PATIENCE_S - (now - task.begun_at))


def _with_port(
    spec: InstanceSpec, port: PortSpec, networks: Sequence[NetworkSpec], groups: Sequence[GroupMembers]
) -> InstanceSpec:
    return msgspec.structs.replace(
        spec, ports=_put(spec.ports, [port]), networks=_put(spec.networks, networks), groups=_put(spec.groups, groups)
    )


def _without_port(spec: InstanceSpec, port_id: str) -> InstanceSpec:
    """Without networks that only this port was in."""
    kept = [port for port in spec.ports if port.id != port_id]
    used = {port.network_id for port in kept}
    return msgspec.structs.replace(spec, ports=kept, networks=[each for each in spec.networks if each.id in used])


def _put(known: Sequence[_T], new: Sequence[_T]) -> list[_T]:
    return list(({each.id: each for each in known} | {each.id: each for each in new}).values())
