"""Driver `none`: a node without a hypervisor, which only does networking, such as the gateway on a controller."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import HypervisorError
from common.rpc.queries_v1 import ConsoleKind
from compute_agent.hypervisor.base import CopyState, Device, Domain, DomainState, EventHandler, HypervisorFacts


class NoHypervisor:
    """Implements base.Hypervisor: there is never a domain, and whoever asks for one is told to go elsewhere."""

    def facts(self) -> HypervisorFacts:
        return HypervisorFacts("none", 0, "none", "none", os.uname().machine, (), 0)

    def healthy(self) -> bool:
        return True

    def list_domains(self) -> list[DomainState]:
        return []

    def state(self, instance_id: str) -> DomainState | None:  # noqa: ARG002 - the interface's
        return None

    def ensure_defined(self, domain: Domain) -> None:
        raise _refusal(domain.instance_id)

    def ensure_running(self, domain: Domain, *, from_memory: bool = False) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(domain.instance_id)

    def ensure_paused(self, instance_id: str) -> None:
        raise _refusal(instance_id)

    def ensure_unpaused(self, instance_id: str) -> None:
        raise _refusal(instance_id)

    def ensure_saved(self, instance_id: str) -> None:
        raise _refusal(instance_id)

    def begin_copy(self, instance_id: str, device: str, target: Path, *, quiesce: bool) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def copy_state(self, instance_id: str) -> CopyState:  # noqa: ARG002 - the interface's
        return CopyState.FAILED

    def end_copy(self, instance_id: str) -> None:
        """Nothing is copied."""

    def resize_disk(self, instance_id: str, device: str, size_bytes: int) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def read_disk(self, instance_id: str, device: str) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def ensure_plugged(self, instance_id: str, device: Device) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def is_plugged(self, instance_id: str, address: str) -> bool:  # noqa: ARG002 - the interface's
        return False

    def resume_stalled(self, instance_id: str) -> bool:  # noqa: ARG002
        return False

    def request_unplug(self, instance_id: str, address: str) -> None:
        """Nothing runs."""

    def request_shutdown(self, instance_id: str) -> None:
        """Nothing runs."""

    def request_reboot(self, instance_id: str) -> None:
        """Nothing runs."""

    def ensure_stopped(self, instance_id: str) -> None:
        """Nothing runs."""

    def ensure_absent(self, instance_id: str) -> None:
        """Nothing is there."""

    def set_password(self, instance_id: str, user: str, password: str) -> None:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def inject_nmi(self, instance_id: str) -> None:
        raise _refusal(instance_id)

    def boot_id(self, instance_id: str) -> str:
        raise _refusal(instance_id)

    def open_console(self, instance_id: str, kind: ConsoleKind) -> int:  # noqa: ARG002 - the interface's
        raise _refusal(instance_id)

    def diagnostics(self, instance_id: str) -> dict[str, str | int | float | bool | None]:
        raise _refusal(instance_id)

    def subscribe(self, handler: EventHandler) -> None:
        """Nothing ever happens."""

    def close(self) -> None:
        """Nothing is open."""


def _refusal(instance_id: str) -> HypervisorError:
    return HypervisorError(
        f"server {instance_id} can't be on this node: it only does networking",
        detail="[agent] driver is none; enrol the node with --no-compute, or set a driver",
        instance_id=instance_id,
    )
