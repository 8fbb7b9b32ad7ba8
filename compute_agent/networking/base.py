"""What the agent asks of a node's networking. `linux` (bridges, dnsmasq, nftables) and `none` (records only) implement it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.rpc.compute_v1 import GroupMembers, NetworkSpec, NetworkState, PortSpec
from compute_agent.hypervisor.base import Nic
from compute_agent.networking.router_meter import Count


@dataclass(frozen=True)
class MetadataPeer:
    """Who asked the metadata service: identity is the network it came in by and its source address (META-01)."""

    network_id: str
    address: str


class Networking(Protocol):
    """All verbs are idempotent and raise common.errors.NetworkingError."""

    def ensure_ports(
        self,
        networks: Sequence[NetworkSpec],
        ports: Sequence[PortSpec],
        groups: Sequence[GroupMembers],
        version: int = 0,
    ) -> list[Nic]:
        """Make networks, DHCP entries and filters ready for these ports, before any tap exists. NICs in order of ports.

        Merges with what is known: other ports and networks of the node stay as they are. `version` is the network
        state these were read at: what is known from a newer one stays, and from then on `apply` ignores older states,
        which can't know these ports. 0: not known, taken as newest.
        """
        ...

    def remove_ports(self, instance_id: str) -> None:
        """Forget the ports of an instance: filters, DHCP entries, taps; and networks no port of this node needs."""
        ...

    def apply(self, state: NetworkState) -> None:
        """Bring everything to the desired state, whole. A lower version than the last applied is ignored."""
        ...

    def applied_version(self) -> int: ...

    def tags_frames(self) -> bool:
        """Whether subports of trunks can be made here."""
        ...

    def heal(self) -> list[str]:
        """Put back what is missing (bridge, namespace, table, dnsmasq); returns what was healed, in words."""
        ...

    def counted(self) -> list[Count]:
        """What the metering labels have counted at this node's routers, since each was made here."""
        ...

    def port_at(self, network_id: str, address: str) -> PortSpec | None:
        """The port that owns a fixed address in a network, for the metadata service."""
        ...

    def teardown(self) -> None:
        """Remove everything this node made in the network: only names that begin with `cml`."""
        ...


MetadataHandler = Callable[[MetadataPeer, str, str, bytes], tuple[int, str, bytes]]
"""(peer, method, path, body) -> (status, content type, body)."""
