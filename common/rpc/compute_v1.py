"""Version 1 of what the control plane and a node's agent say to each other: every command, report and event.

Commands are complete: an agent never calls back to do what it was told. They are idempotent, carry (epoch, generation)
and a deadline, and may arrive late, twice or out of order. Within v1 only optional fields with defaults may be added;
a compute_v2.py is for the rest. tests/golden/ has a copy of the JSON schema. Sizes: MiB or GiB; times: aware UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from common.rpc.backup_commands import BackupCommand
from common.rpc.command_base import CommandBase, DeviceCommandBase, ImageSpec
from common.rpc.disks_v1 import DiscardKeptDisks, RescueSpec, RestoreKeptDisks
from common.rpc.hardware_v1 import GuestHardware
from common.rpc.routers_v1 import Bandwidth, DhcpRoute, PacketRate, RouterSpec
from common.rpc.volume_commands import PlugVolume, UnplugVolume, VolumeCommand, VolumeDisk

VERSION = 1


class PowerState(StrEnum):
    """What libvirt says of a domain. The API's numbers for them are in common/states.py."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class WantedPower(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class RebootMode(StrEnum):
    SOFT = "soft"
    HARD = "hard"


class SubnetSpec(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dhcp_ip: str | None = None  # the address of the network's DHCP, DNS and metadata namespace in this subnet
    dns_nameservers: list[str] = []
    host_routes: list[DhcpRoute] = []
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A network as a node realises it. `nat` says that the gateway and source NAT to the outside are on this node.

    gateway_elsewhere: they are on another node, one of `peers`. physical_network: the node's device of that name, if
    the node's configuration has one, is part of the network.
    """

    id: str
    vni: int
    mtu: int
    subnets: list[SubnetSpec] = []
    nat: bool = False
    dhcp_mac: str = ""
    peers: list[str] = []  # tunnel endpoints of the other nodes that have this network
    gateway_elsewhere: bool = False
    physical_network: str = ""
    vlan_id: int = 0  # on the physical network; 0: untagged
    router_macs: list[str] = []  # of routers' interfaces in the network, wherever they are
    vlan_transparent: bool = False  # guests' own VLANs pass between nodes


class FilterRule(msgspec.Struct, frozen=True, kw_only=True):
    """One security-group rule, already expanded: it accepts what matches, everything else is dropped.

    protocol is an IANA number as text or one of tcp, udp, icmp, icmpv6, or None for any. For ICMP, port_min is the
    type and port_max the code. remote_group names an entry of NetworkState.groups. logs: ids of those that hear of what
    this rule accepts.
    """

    direction: str  # "ingress" or "egress", seen from the guest
    ethertype: str  # "IPv4" or "IPv6"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str | None = None
    remote_group: str | None = None
    logs: tuple[str, ...] = ()


class AddressPair(msgspec.Struct, frozen=True, kw_only=True):
    """An additional source the guest may use (Neutron's allowed address pairs); ip_address may be a CIDR."""

    ip_address: str
    mac_address: str


class FixedAddress(msgspec.Struct, frozen=True, kw_only=True):
    subnet_id: str
    ip_address: str


class QosSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What QoS rules hold for a port; directions as seen from the guest. dscp_mark: put on what it sends."""

    egress: Bandwidth | None = None
    ingress: Bandwidth | None = None
    dscp_mark: int | None = None
    egress_packets: PacketRate | None = None
    ingress_packets: PacketRate | None = None


class PortLogs(msgspec.Struct, frozen=True, kw_only=True):
    """For a port that is logged: the logs (ids) that hear of what no rule accepts. What rules accept, they say."""

    project_id: str
    dropped: list[str] = []


class DhcpOption(msgspec.Struct, frozen=True, kw_only=True):
    """An extra DHCP option of one port: a name that dnsmasq knows, or a number."""

    name: str
    value: str
    ip_version: int = 4


class LocalIp(msgspec.Struct, frozen=True, kw_only=True):
    """An address of its network by which guests on the port's node reach the port, and nobody else does.

    translate: to fixed_ip; else the port's guest has to have the address itself.
    """

    ip_address: str
    fixed_ip: str
    translate: bool = True


class PortSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A port with all a node needs to plug, filter and answer for it."""

    id: str
    network_id: str
    mac_address: str
    addresses: list[FixedAddress]
    instance_id: str
    hostname: str = ""
    admin_up: bool = True
    port_security: bool = True
    rules: list[FilterRule] = []
    address_pairs: list[AddressPair] = []
    stateful: bool = True
    groups: list[str] = []  # security group ids this port is a member of
    qos: QosSpec | None = None
    dhcp_options: list[DhcpOption] = []
    domain: str = ""  # a further domain that the network's resolver knows the hostname in
    tag: str = ""  # the device's, which the guest reads in its metadata
    logs: PortLogs | None = None
    trunk_port: str = ""  # the id of the port that carries this one, tagged with vlan_id; "": it has a card of its own
    vlan_id: int = 0
    local_ips: list[LocalIp] = []


class GroupMembers(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a security group's members, for rules that name it as remote."""

    id: str
    addresses: list[str] = []


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """A port of one of the node's networks that is on another node: the resolver knows its name, the tunnel its place.

    hostname "": it has none. behind: the tunnel endpoint of its node; "": not known, it is looked for everywhere.
    """

    network_id: str
    hostname: str
    addresses: list[str]
    domain: str = ""
    mac_address: str = ""
    behind: str = ""


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """The desired state of all networks, ports, groups and routers that concern one node: whole and versioned.

    An agent applies the newest version it has seen and ignores older ones. Ports of an instance are here from the
    moment the instance is bound to the node; a tap that exists without a port here is dropped traffic.
    """

    version: int
    networks: list[NetworkSpec] = []
    ports: list[PortSpec] = []
    groups: list[GroupMembers] = []
    neighbours: list[Neighbour] = []
    routers: list[RouterSpec] = []


class GuestFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the guest is to write for itself at its first boot."""

    path: str
    contents_b64: str


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """What the guest itself may learn: metadata service and config drive are rendered from this and the ports."""

    hostname: str
    name: str
    project_id: str
    user_data_b64: str | None = None
    public_keys: dict[str, str] = {}
    metadata: dict[str, str] = {}
    availability_zone: str = "nova"
    launch_index: int = 0
    reservation_id: str = ""
    instance_type: str = ""
    image_id: str = ""
    files: list[GuestFile] = []


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All of one instance, self-contained."""

    id: str
    vcpus: int
    memory_mib: int
    root_gib: int  # 0: as large as the image's virtual size
    image: ImageSpec | None = None  # None: it has no root disk of its own, and boots from a volume
    guest: Guest
    ports: list[PortSpec] = []
    networks: list[NetworkSpec] = []
    groups: list[GroupMembers] = []
    config_drive: bool = False
    ephemeral_gib: int = 0
    ephemeral_parts_gib: list[int] = []  # sizes of the disks it is divided into; []: one disk of ephemeral_gib
    swap_mib: int = 0
    image_properties: dict[str, str] = {}  # allow-listed hw_* properties only
    hardware: GuestHardware | None = None  # None: from an older control plane; then the image's properties say it
    network_version: int = 0  # of the node's network state when ports, networks and groups were read; 0: not known
    evacuable: bool = False  # another node can reach its disks: this one must stop it when its lease runs out
    rescue: RescueSpec | None = None  # boot from this instead of the root disk
    volumes: list[VolumeDisk] = []


class EnsureInstance(CommandBase, frozen=True, kw_only=True, tag="ensure_instance"):
    """Make image, disks, ports and domain exist as specified, with the wanted power.

    sealed_password: of its administrator, for the config drive that is made now, and nowhere else ("": it tells none).
    """

    spec: InstanceSpec
    power: WantedPower = WantedPower.RUNNING
    sealed_password: str = ""


class EnsureRunning(CommandBase, frozen=True, kw_only=True, tag="ensure_running"):
    """Start the guest, its domain defined afresh from the spec (never from what the node has stored).

    from_memory: let it go on from the memory that EnsureSaved wrote, where there is any.
    """

    spec: InstanceSpec
    from_memory: bool = False


class EnsureStopped(CommandBase, frozen=True, kw_only=True, tag="ensure_stopped"):
    """Ask the guest to power off, repeat the request, and cut power after timeout_s (0: at once)."""

    timeout_s: int = 60


class RebootInstance(CommandBase, frozen=True, kw_only=True, tag="reboot_instance"):
    """Reboot once per command id. Soft: ask, and fall back to hard after timeout_s. Hard: power-cycle on the spec."""

    spec: InstanceSpec
    mode: RebootMode
    timeout_s: int = 60


class RebuildInstance(CommandBase, frozen=True, kw_only=True, tag="rebuild_instance"):
    """Replace the instance's disks by new ones made from the spec, once per command id, and give it the wanted power.

    keep_ephemeral: all disks but the ephemeral one. The image is fetched before anything of the old guest goes.
    sealed_password: as in EnsureInstance.
    """

    spec: InstanceSpec
    power: WantedPower = WantedPower.RUNNING
    keep_ephemeral: bool = False
    sealed_password: str = ""


class ResizeInstance(CommandBase, frozen=True, kw_only=True, tag="resize_instance"):
    """Keep the disks of an instance that is off as they are beside its own, then make these and the guest as specified."""

    spec: InstanceSpec
    power: WantedPower = WantedPower.RUNNING


class SnapshotInstance(CommandBase, frozen=True, kw_only=True, tag="snapshot_instance"):
    """Keep a copy of the root disk as it is at one moment, for UploadSnapshot; the guest goes on meanwhile.

    quiesce: the guest's file systems are frozen for that moment, or it fails; else so they are if the guest's agent
    answers.
    """

    image_id: str
    quiesce: bool = False


class UploadSnapshot(CommandBase, frozen=True, kw_only=True, tag="upload_snapshot"):
    """Send the copy to the image service, and remove it then. url: absolute; sent with the node's secret."""

    image_id: str
    url: str


class DiscardSnapshot(CommandBase, frozen=True, kw_only=True, tag="discard_snapshot"):
    """Remove the copy, whole or not. Succeeds when there is none."""

    image_id: str


class EnsurePaused(CommandBase, frozen=True, kw_only=True, tag="ensure_paused"):
    """Hold the running guest's processors, its memory kept as it is; paused False: let them go on."""

    paused: bool = True


class EnsureSaved(CommandBase, frozen=True, kw_only=True, tag="ensure_saved"):
    """Write the guest's memory to the node's disk and switch it off."""


class PlugPort(DeviceCommandBase, frozen=True, kw_only=True, tag="plug_port"):
    """Give the instance a network card for this port, in the running guest too; device_id is the port's."""

    port: PortSpec
    networks: list[NetworkSpec] = msgspec.field(default_factory=list)
    groups: list[GroupMembers] = msgspec.field(default_factory=list)
    network_version: int = 0  # as in InstanceSpec


class UnplugPort(DeviceCommandBase, frozen=True, kw_only=True, tag="unplug_port"):
    """Take the port's network card from the instance; a running guest is asked to let it go. Succeeds without one."""

    mac_address: str


class EnsureAbsent(CommandBase, frozen=True, kw_only=True, tag="ensure_absent"):
    """Remove domain, disks and ports of the instance up to and including this epoch. Succeeds when nothing is there.

    keep_disks: set the disks aside for seven days instead (a domain that the database does not know). leave_disks: leave
    them where they are: the instance may come back (a resize that is not confirmed).
    """

    keep_disks: bool = False
    leave_disks: bool = False


class SyncNetwork(CommandBase, frozen=True, kw_only=True, tag="sync_network"):
    """Bring the node's networking to this state; instance_id is ""; generation equals state.version."""

    state: NetworkState


class AckReports(CommandBase, frozen=True, kw_only=True, tag="ack_reports"):
    """The control plane has committed these reports: the agent stops repeating them."""

    report_ids: list[str] = msgspec.field(default_factory=list)


class LeaseRenewed(CommandBase, frozen=True, kw_only=True, tag="lease_renewed"):
    """The control plane has committed a heartbeat; both fields are that heartbeat's. A lost one does no harm."""

    boot_id: str
    sent_boottime_ms: int


Command = (
    EnsureInstance
    | EnsureRunning
    | EnsureStopped
    | RebootInstance
    | RebuildInstance
    | ResizeInstance
    | RestoreKeptDisks
    | DiscardKeptDisks
    | SnapshotInstance
    | UploadSnapshot
    | DiscardSnapshot
    | EnsurePaused
    | EnsureSaved
    | PlugPort
    | UnplugPort
    | PlugVolume
    | UnplugVolume
    | EnsureAbsent
    | VolumeCommand
    | BackupCommand
    | SyncNetwork
    | AckReports
    | LeaseRenewed
)


DeviceCommand = PlugPort | UnplugPort | PlugVolume | UnplugVolume


class ReportKind(StrEnum):
    ACCEPTED = "accepted"  # written down on the node; resending can stop
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="report"):
    """An agent's answer to a command; DONE and FAILED are repeated until acknowledged.

    retry_elsewhere: another node might succeed. absent: nothing of this epoch is left on the node, so the operation may
    move on at once. timings_ms: what the outside tools took, by name (image, qemu_img, libvirt, netlink, nft, dnsmasq).
    objects: how many a backup has written.
    """

    id: str
    kind: ReportKind
    node: str
    command_id: str
    operation_id: str
    step: str
    request_id: str
    instance_id: str
    epoch: int
    generation: int
    code: str = ""
    message: str = ""  # for the tenant
    detail: str = ""  # for administrators and logs
    retry_elsewhere: bool = False
    absent: bool = False
    power: PowerState = PowerState.UNKNOWN
    timings_ms: dict[str, float] = {}
    objects: int = 0


class DomainDigest(msgspec.Struct, frozen=True, kw_only=True):
    """One domain of this cloud as the node sees it."""

    instance_id: str
    epoch: int
    generation: int
    power: PowerState
    busy: bool = False  # a command is being worked on, so the power state is in motion
    starved: bool = False  # paused by the node's hypervisor: a disk has no room for what the guest writes
    stopped_by_node: bool = False  # off because the node had no lease, not by its own or anybody's wish


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """Memory pages of one size that a NUMA cell has; of those of 4 KiB what large ones leave."""

    size_kib: int
    total: int


class NumaCell(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA cell of the node. dedicated: of `cpus` those that guests may have for themselves.

    siblings: the threads of each core that has several.
    """

    id: int
    cpus: list[int]
    dedicated: list[int] = []
    siblings: list[list[int]] = []
    memory_mib: int = 0
    pages: list[Pages] = []


class NetworkRate(msgspec.Struct, frozen=True, kw_only=True):
    """What the node can promise to ports (common/guarantees.py): kbit/s, or thousands of packets a second."""

    physical_network: str
    resource: str
    amount: int


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    vcpus: int
    memory_mib: int
    disk_gib: int
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 0
    cpu_model: str = ""
    cpu_arch: str = "x86_64"
    cpu_features: list[str] = []
    virt_type: str = "qemu"
    address: str = ""
    memory_used_mib: int = 0
    disk_free_gib: int = 0
    load_1m: float = 0.0
    load_5m: float = 0.0
    load_15m: float = 0.0
    uptime_s: int = 0  # of the machine; 0: an agent of before, which does not say
    users: int = 0  # logged in on the machine
    shared_instances: bool = False  # other nodes can reach the disks of this node's instances
    shared_volumes: bool = False  # the node's folder of volumes is one that all nodes see
    backups: str = ""  # where the node keeps backups of volumes: "directory" or "s3"; "": it makes none
    shared_backups: bool = False  # all nodes that have the same store see the backups in it
    volume_backends: list[str] = []  # what volumes can be made here as, best first; none: an agent of before: files
    nbd_address: str = ""  # where it serves volumes to other nodes; "": it neither serves any nor reaches theirs
    cells: list[NumaCell] = []
    vlans: bool = False  # its kernel tags frames, so that ports can be trunks
    firmware: list[str] = []  # beside the BIOS: "uefi", "uefi-secure-boot"
    network_rates: list[NetworkRate] = []


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeat"):
    """Every 5 s: that the node lives, what it has, and a digest of its domains. `boot_id` changes with a host reboot."""

    node: str
    node_id: str
    sent_at: datetime
    boot_id: str
    agent_started_at: datetime
    inventory: Inventory
    domains: list[DomainDigest] = []
    network_version: int = 0
    complete: bool = True  # False: the agent could not list its domains, so absence means nothing
    sent_boottime_ms: int = 0  # the node's CLOCK_BOOTTIME at sent_at; comes back in LeaseRenewed. 0: an older agent


class PowerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="power_event"):
    """A life-cycle event of libvirt that no command caused, such as a guest that powered itself off."""

    node: str
    instance_id: str
    epoch: int
    generation: int
    power: PowerState
    at: datetime


FromAgent = Report | Heartbeat | PowerEvent

_encoder = msgspec.json.Encoder()
_command_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_from_agent_decoder: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)


def encode(message: Command | FromAgent) -> bytes:
    return _encoder.encode(message)


def decode_command(body: bytes) -> Command:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything that is not a command of this version."""
    return _command_decoder.decode(body)


def decode_from_agent(body: bytes) -> FromAgent:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything that is not a report or event."""
    return _from_agent_decoder.decode(body)
