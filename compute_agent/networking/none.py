"""Networking that only keeps records, for the drivers `fake` and `test`, whose guests have no traffic."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from common.rpc.compute_v1 import GroupMembers, NetworkSpec, NetworkState, PortSpec
from compute_agent.hypervisor.base import Nic
from compute_agent.networking import state, store
from compute_agent.networking.router_meter import Count


class NoNetworking:
    """Keeps the desired state in `state_dir`/networking.json, so that it survives the agent."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "networking.json"
        self._lock = threading.Lock()
        self._stored = store.load(self._path)

    def ensure_ports(
        self,
        networks: Sequence[NetworkSpec],
        ports: Sequence[PortSpec],
        groups: Sequence[GroupMembers],
        version: int = 0,
    ) -> list[Nic]:
        with self._lock:
            floor = max(self._stored.floor, version)
            self._keep(state.merged(self._stored.state, networks, ports, groups, version), floor)
            return state.nics(self._stored.state, ports)

    def remove_ports(self, instance_id: str) -> None:
        with self._lock:
            self._keep(state.without_instance(self._stored.state, instance_id), self._stored.floor)

    def apply(self, wanted: NetworkState) -> None:
        with self._lock:
            if wanted.version >= max(self._stored.state.version, self._stored.floor):
                self._keep(wanted, self._stored.floor)

    def applied_version(self) -> int:
        return self._stored.state.version

    def tags_frames(self) -> bool:
        return True

    def heal(self) -> list[str]:
        return []

    def port_at(self, network_id: str, address: str) -> PortSpec | None:
        return state.port_at(self._stored.state, network_id, address)

    def counted(self) -> list[Count]:
        return []

    def teardown(self) -> None:
        with self._lock:
            self._stored = store.Stored()
            self._path.unlink(missing_ok=True)

    def _keep(self, wanted: NetworkState, floor: int) -> None:
        if wanted != self._stored.state or floor != self._stored.floor:
            self._stored = store.Stored(state=wanted, floor=floor)
            store.save(self._path, self._stored)
