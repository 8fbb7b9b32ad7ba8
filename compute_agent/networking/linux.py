"""Networking of a Linux node: bridges, routers, network namespaces, dnsmasq and nftables brought to the desired state.

The order of every change: write down what is wanted, then filters, then devices, then DHCP; so a crash leaves
something that `heal` can finish and a tap never has a link before its filters. What takes power away (a rule, a
member, a port) ends with cutting the flows that lived on it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from common import physical_networks
from common.clock import Clock
from common.config import NetworkConfig
from common.errors import NetworkingError
from common.log import event
from common.rpc.compute_v1 import GroupMembers, NetworkSpec, NetworkState, PortSpec
from common.rpc.routers_v1 import RouterSpec
from compute_agent.hypervisor.base import Nic
from compute_agent.networking import (
    announce,
    dnsmasq,
    filters,
    flows,
    generation,
    guard,
    links,
    names,
    nft,
    packet_log,
    plan,
    state,
    store,
    subports,
    sysctl,
)
from compute_agent.networking.local_networks import ListenerFactory, LocalNetworks, Settings
from compute_agent.networking.local_routers import LocalRouters
from compute_agent.networking.plan import FilterPlan, Surroundings
from compute_agent.networking.router_meter import Count

HIGHEST_ZONE = 65535

logger = logging.getLogger(__name__)


class LinuxNetworking:
    """See compute_agent.networking.base.Networking. Works in the network namespace of the threads that call it."""

    def __init__(
        self,
        *,
        state_dir: Path,
        run_dir: Path,
        config: NetworkConfig,
        metadata: ListenerFactory,
        clock: Clock,
        tunnel_address: str = "",
        packet_log_path: Path | None = None,
    ) -> None:
        """Takes over what an earlier agent left, without touching it; `heal` or the first change looks at it.

        run_dir is for dnsmasq's files and must be passable for others; tunnel_address "" means no tunnels.
        packet_log_path: where packets go that security groups are to log; None: to the log of the process.
        """
        upstreams = tuple(each.strip() for each in config.dns_upstreams.split(",") if each.strip())
        resolver = dnsmasq.Resolver(domain=config.dns_domain, upstreams=upstreams)
        self._path = state_dir / "networking.json"
        self._clock = clock
        self._lock = threading.RLock()
        self._stored = store.load(self._path)
        self._floor = self._stored.floor
        physical = physical_networks.devices(config.physical_networks)
        self._surroundings = _surroundings(tunnel_address, upstreams, physical)
        self._plan = self._plan_of(self._stored)
        self._report_faults(FilterPlan())
        self._applied: FilterPlan | None = None  # the plan the kernel's tables are known to follow
        self._enforced: FilterPlan | None = None  # the plan that established flows are known to follow, too
        self._watched = generation.Watched(filters.TABLES)
        self._announcements = announce.Announcements()
        self._local = LocalNetworks(
            Settings(run_dir, resolver, tunnel_address, physical), metadata, self._announcements
        )
        self._routers = LocalRouters(run_dir, self._announcements)
        self._packets = packet_log.PacketLog(packet_log_path, clock)
        self._tags_frames = links.can_tag()
        self._untagged: list[subports.Subport] = []  # what the log has said that the kernel has no devices for

    def ensure_ports(
        self,
        networks: Sequence[NetworkSpec],
        ports: Sequence[PortSpec],
        groups: Sequence[GroupMembers],
        version: int = 0,
    ) -> list[Nic]:
        with self._lock:
            self._floor = max(self._floor, version)
            wanted = state.merged(self._stored.state, networks, ports, groups, version)
            made = state.nics(wanted, ports)
            failures = self._bring(wanted)
        for port in ports:
            reason = failures.get(port.id) or failures.get(port.network_id)
            if reason:
                raise NetworkingError(f"port {port.id} can't be plugged in on this node", detail=reason)
        return made

    def remove_ports(self, instance_id: str) -> None:
        with self._lock:
            gone = [port for port in self._stored.state.ports if port.instance_id == instance_id]
            if not gone:
                return
            failures = self._bring(state.without_instance(self._stored.state, instance_id))
            for port in gone:
                links.remove(names.tap(port.id))
        self._complain(failures)

    def apply(self, wanted: NetworkState) -> None:
        with self._lock:
            if wanted.version < max(self._stored.state.version, self._floor):
                event(logger, "networking.state_ignored", version=wanted.version, applied=self._stored.state.version)
                return
            failures = self._bring(wanted)
        self._complain(failures)

    def applied_version(self) -> int:
        return self._stored.state.version

    def tags_frames(self) -> bool:
        return self._tags_frames

    def heal(self) -> list[str]:
        with self._lock:
            self._announcements.repeat()
            healed = self._missing()
            self._local.forget_links()
            self._routers.forget()
            failures = self._bring(self._stored.state)
            healed += self._settle_taps()
        for what in healed:
            event(logger, "networking.healed", logging.WARNING, what=what)
        self._complain(failures)
        return healed

    def port_at(self, network_id: str, address: str) -> PortSpec | None:
        return state.port_at(self._stored.state, network_id, address)

    def counted(self) -> list[Count]:
        with self._lock:
            return self._routers.counted()

    def close(self) -> None:
        """Stop answering metadata and logging packets; everything else stays for the agent's successor."""
        with self._lock:
            self._packets.close()
            self._local.close()

    def teardown(self) -> None:
        with self._lock:
            self._packets.close()
            self._routers.remove_others([])
            for network in self._stored.state.networks:
                self._local.remove(network.id)
            self._local.remove_others([], links.existing())
            for device in links.existing():
                if device.startswith(names.TAP_PREFIX):
                    links.remove(device)
            nft.remove(filters.TABLES)
            self._path.unlink(missing_ok=True)
            self._stored, self._plan, self._floor = store.Stored(), FilterPlan(), 0
            self._applied = self._enforced = None

    def _bring(self, wanted: NetworkState) -> dict[str, str]:
        """Make the node be like this; returns what failed, by the id of the network or port it failed for."""
        began = self._clock.monotonic()
        stored = self._numbered(wanted)
        if stored != self._stored:
            store.save(self._path, stored)
            former, self._plan, self._stored = self._plan, self._plan_of(stored), stored
            self._report_faults(former)
        changed = self._filter()
        cut = flows.cut(self._enforced, self._plan) if changed or self._enforced is None else 0
        self._enforced = self._plan
        filtered = self._clock.monotonic()
        self._log_packets(wanted)
        failures = self._realise(wanted)
        if changed or cut:
            event(
                logger, "networking.applied", version=wanted.version, ports=len(wanted.ports), flows_cut=cut,
                nft_ms=round((filtered - began) * 1000, 1),
                all_ms=round((self._clock.monotonic() - began) * 1000, 1),
            )  # fmt: skip
        left_out = {port.id for port in wanted.ports if port.admin_up} - {port.id for port in self._plan.ports}
        return failures | {each: self._plan.faults[each] for each in left_out if each in self._plan.faults}

    def _log_packets(self, wanted: NetworkState) -> None:
        """A node that can't log filters as ever."""
        try:
            self._packets.follow(wanted.ports)
        except NetworkingError as err:
            event(logger, "networking.packet_log_failed", logging.ERROR, reason=f"{err.message}: {err.detail}")

    def _numbered(self, wanted: NetworkState) -> store.Stored:
        ports = [*wanted.ports, *state.router_ports(wanted.routers)]
        return store.Stored(
            state=wanted,
            indices=store.number(self._stored.indices, [port.id for port in ports], guard.MAX_INDEX),
            zones=store.number(self._stored.zones, [network.id for network in wanted.networks], HIGHEST_ZONE),
            floor=self._floor,
        )

    def _plan_of(self, stored: store.Stored, closed: dict[str, str] | None = None) -> FilterPlan:
        wanted = stored.state
        ports = [*wanted.ports, *state.router_ports(wanted.routers)]
        return plan.build(
            wanted.networks, ports, wanted.groups, indices=stored.indices, zones=stored.zones, closed=closed,
            surroundings=self._surroundings,
        )  # fmt: skip

    def _filter(self) -> bool:
        """Apply the plan's tables unless the kernel has just these; True when they were applied."""
        sysctl.ensure_filtering()
        if self._applied == self._plan and set(filters.TABLES) <= nft.tables():
            return False
        self._rewrite()
        self._watched.applied()
        self._applied = self._plan
        return True

    def _rewrite(self) -> None:
        try:
            nft.replace(filters.build(self._plan))
        except NetworkingError:
            self._close_culprits()
            nft.replace(filters.build(self._plan))

    def _close_culprits(self) -> None:
        """nft refused the whole: close the ports it refuses alone, so that the others get their rules (NET-03)."""
        closed: dict[str, str] = {}
        for port in self._plan.ports:
            alone = dataclasses.replace(self._plan, ports=(port,))
            refusal = nft.refusal(filters.build(alone))
            if refusal:
                closed[port.id] = refusal
        former, self._plan = self._plan, self._plan_of(self._stored, closed)
        self._report_faults(former)

    def _realise(self, wanted: NetworkState) -> dict[str, str]:
        """Devices and services of each network; those that no longer belong here go first."""
        devices = links.existing()
        failures: dict[str, str] = {}
        usable = {network.id for network in self._plan.networks}
        routed = {port.network_id for port in state.router_ports(wanted.routers)}
        self._routers.remove_others([router.id for router in wanted.routers])
        self._local.remove_others([network.id for network in wanted.networks], devices)
        if any(network.gateways for network in self._plan.networks):
            sysctl.ensure_forwarding()
        for network in wanted.networks:
            if network.id not in usable:
                failures[network.id] = self._plan.faults.get(network.id, "it can't be filtered")
                continue
            ports = [port for port in wanted.ports if port.network_id == network.id]
            neighbours = [each for each in wanted.neighbours if each.network_id == network.id]
            try:
                self._local.ensure(network, ports, devices, neighbours=neighbours, routed=network.id in routed)
            except NetworkingError as err:
                failures[network.id] = f"{err.message}: {err.detail}"
                event(
                    logger,
                    "networking.network_failed",
                    logging.ERROR,
                    network_id=network.id,
                    reason=failures[network.id],
                )
        failures |= self._realise_subports(wanted, devices)
        return failures | self._realise_routers(wanted.routers, failures)

    def _realise_subports(self, wanted: NetworkState, devices: Mapping[str, int]) -> dict[str, str]:
        """On a kernel without VLANs they are missing, as the control plane knows, and nothing else suffers for it."""
        planned = subports.planned(wanted.ports, wanted.networks)
        if self._tags_frames:
            return subports.sync(planned, devices)
        if planned and planned != self._untagged:
            event(
                logger, "networking.subports_refused", logging.ERROR, ports=",".join(each.port_id for each in planned),
                reason="this kernel has no devices for VLANs (802.1q)",
            )  # fmt: skip
        self._untagged = planned
        return {}

    def _realise_routers(self, routers: Sequence[RouterSpec], failed: Mapping[str, str]) -> dict[str, str]:
        """Each by itself; one with a network that failed waits until that is mended."""
        failures: dict[str, str] = {}
        devices, filtered = links.existing(), {port.id for port in self._plan.ports}
        for router in routers:
            ports = state.router_ports([router])
            reasons = [failed[port.network_id] for port in ports if port.network_id in failed]
            reasons += [self._plan.faults.get(port.id, "") for port in ports if port.id not in filtered]
            if reasons:
                failures[router.id] = reasons[0] or "one of its ports can't be filtered"
                continue
            try:
                self._routers.ensure(router, devices)
            except NetworkingError as err:
                failures[router.id] = f"{err.message}: {err.detail}"
                event(
                    logger, "networking.router_failed", logging.ERROR, router_id=router.id, reason=failures[router.id]
                )
        return failures

    def _missing(self) -> list[str]:
        devices, present = links.existing(), nft.tables()
        missing = [f"table {family} {name}" for family, name in filters.TABLES if (family, name) not in present]
        if not missing and self._applied is not None and self._watched.touched():
            missing.append(f"table contents of {', '.join(name for _, name in filters.TABLES)}")
        missing += [f"kernel switch {name}" for name in sysctl.ensure_filtering()]
        routed = {port.network_id for port in state.router_ports(self._stored.state.routers)}
        for network in self._stored.state.networks:
            ports = [port for port in self._stored.state.ports if port.network_id == network.id]
            missing += self._local.missing(network, ports, devices, routed=network.id in routed)
        for router in self._stored.state.routers:
            missing += self._routers.missing(router, devices)
        if any(kind.startswith("table ") for kind in missing):
            self._applied = None
        return missing

    def _settle_taps(self) -> list[str]:
        devices = links.existing()
        present = [port for port in self._plan.ports if port.tap in devices]
        return [f"tap {port.tap}" for port in present if links.settle_tap(port.tap, port.bridge)]

    def _report_faults(self, before: FilterPlan) -> None:
        for identity, reason in self._plan.faults.items():
            if before.faults.get(identity) != reason:
                event(logger, "networking.closed", logging.ERROR, id=identity, reason=reason)

    def _complain(self, failures: dict[str, str]) -> None:
        if not failures:
            return
        listed = "; ".join(f"{identity}: {reason}" for identity, reason in sorted(failures.items()))
        raise NetworkingError(
            f"{len(failures)} networks or ports of this node are not as they should be", detail=listed
        )


def _surroundings(tunnel_address: str, upstreams: Sequence[str], physical: Mapping[str, str]) -> Surroundings:
    resolvers = tuple(each for each in upstreams if ipaddress.ip_address(each).version == 4)
    return Surroundings(
        underlay=(links.range_of(tunnel_address),) if tunnel_address else (),
        resolvers=resolvers,
        physical=tuple(sorted(physical.items())),
    )
