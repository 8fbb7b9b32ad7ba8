"""Configuration: one frozen dataclass per section of the INI file; each field has a type, a default and a help text.

An unknown section or key is a start-up error that names the nearest known one. `python -m common.config` prints the
sample kept in etc/; a test compares them. The object is made once in a process's main and passed down; a function that
needs one value takes that value.
"""

from __future__ import annotations

import configparser
import dataclasses
import difflib
import os
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.deadlines import LEASE_S
from common.errors import ConfigError
from common.secret import Secret

DEFAULT_PATH = "/etc/cumulet/cumulet.conf"


def option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


#: what volumes can be: files of the node, opened directly; files served to any node over NBD; images of a Ceph pool
VOLUME_BACKENDS = ("files", "nbd", "rbd")
_NO_BROKER = Secret("filesystem://")
_NOT_MANAGED = Secret("")


@dataclass(frozen=True)
class CloudConfig:
    uuid: str = option("", "identity of this cloud; domains that don't bear it are never touched")
    region: str = option("RegionOne", "region name in the catalogue")
    state_dir: str = option("/var/lib/cumulet", "data that must survive a restart")
    log_dir: str = option("/var/log/cumulet", "log files; empty: standard error")
    run_dir: str = option("/run/cumulet", "sockets and pid files")
    log_level: str = option("INFO", "DEBUG, INFO, WARNING or ERROR")


@dataclass(frozen=True)
class DatabaseConfig:
    url: str = option("sqlite:////var/lib/cumulet/db/cumulet.sqlite", "SQLAlchemy URL: sqlite or postgresql+psycopg")
    pool_size: int = option(8, "connections kept per process (PostgreSQL)")
    max_overflow: int = option(8, "connections beyond pool_size under load")
    busy_timeout_ms: int = option(5000, "how long SQLite waits for the write lock")


@dataclass(frozen=True)
class BusConfig:
    url: Secret = field(
        default=_NO_BROKER, metadata={"help": "kombu URL: amqp://user:password@host:port/vhost, or filesystem://"}
    )
    folder: str = option("/var/lib/cumulet/bus", "where filesystem:// keeps its messages")
    polling_interval_ms: int = option(20, "how often filesystem:// looks for messages")
    ca_file: str = option("", "amqps://: certificates that may sign the broker's; empty: those of the system")
    cert_file: str = option("", "amqps://: certificate that this process shows to the broker; empty: none")
    key_file: str = option("", "amqps://: private key of cert_file")
    node_url: str = option(
        "", "what nodes that join use to reach the broker, without user and password; empty: as in url"
    )
    management_url: Secret = field(
        default=_NOT_MANAGED,
        metadata={
            "help": "RabbitMQ's management API, http(s)://user:password@host:port, by which every node gets a user of"
            " its own; empty: users are made by hand"
        },
    )


@dataclass(frozen=True)
class ApiConfig:
    listen: str = option("127.0.0.1", "addresses of the API listener, comma-separated")
    port: int = option(8780, "port of the API listener, on every address")
    public_url: str = option("http://127.0.0.1:8780", "what the catalogue tells clients")
    workers: int = option(1, "worker processes")
    threads: int = option(8, "threads per worker")
    max_body_kib: int = option(1024, "largest JSON body; image data is counted by the image service instead")
    max_limit: int = option(1000, "largest and default page of a list")
    tls_cert_file: str = option("", "certificate chain (PEM) of the listener; empty: plain HTTP")
    tls_key_file: str = option("", "its private key (PEM), readable by the services' user only")
    instance_password: bool = option(
        True, "the answer to a new server bears adminPass, as Nova's does; a config drive tells it the guest"
    )
    policy_file: str = option("", "JSON file of action key to rule that overrides the built-in policy")
    cors_allowed_origins: str = option(
        "", "comma-separated origins of web pages that browsers may let use the APIs; *: any; empty: none"
    )


@dataclass(frozen=True)
class IdentityConfig:
    fernet_dir: str = option("/var/lib/cumulet/fernet", "token keys, 0600, the same on every API host")
    token_lifetime_s: int = option(24 * 3600, "how long a token lives")
    max_password_bytes: int = option(4096, "longer passwords are refused before hashing")
    argon2_memory_kib: int = option(19 * 1024, "memory of one password hash, in KiB")
    argon2_rounds: int = option(2, "passes of one password hash over its memory")


@dataclass(frozen=True)
class ImageConfig:
    store_dir: str = option("/var/lib/cumulet/images", "image files, the same folder on every API host")
    max_size_mib: int = option(64 * 1024, "largest image file, in MiB")
    max_virtual_gib: int = option(2048, "largest virtual disk an image may declare, in GiB")
    more_stores: str = option(
        "",
        "stores beside store_dir, which is the store `local`: comma-separated NAME:FOLDER, the same on every API host",
    )
    import_to_all_stores: bool = option(
        False, "an import that names no store goes to all of them, not to `local` alone"
    )
    import_workers: int = option(2, "imports worked on at once by one API worker process")
    web_download_hosts: str = option(
        "*",
        "hosts that images may be imported from: comma-separated names, *.NAME for all below one, * for any with a public"
        " address; empty: web-download is off",
    )
    web_download_ports: str = option("80, 443", "ports of those hosts")
    web_download_internal: str = option(
        "", "networks (CIDR) that are not public and that images may be imported from all the same"
    )
    web_download_denied: str = option("", "networks (CIDR) that images are never imported from")


@dataclass(frozen=True)
class ComputeConfig:
    shelved_offload_time_s: int = option(
        0, "how long a shelved server keeps its place on its node; 0: no time, -1: until it is unshelved"
    )
    resize_confirm_after_s: int = option(
        0, "how long a resized server waits for its user to confirm or revert; then it is confirmed; 0: for ever"
    )
    resize_on_same_node: bool = option(
        True, "a server is resized on the node where it is if that has room, and moves only if it has none"
    )
    reclaim_deleted_after_s: int = option(0, "how long a deleted server can be restored; 0: it is gone at once")


@dataclass(frozen=True)
class ConsoleConfig:
    """Of `cumulet-console`, which listens on the addresses of [api] listen, with its certificate."""

    port: int = option(6080, "port of consoles, for browsers and for nodes")
    public_url: str = option("", "where browsers reach it; empty: the host of [api] public_url, with this port")
    node_url: str = option("", "where nodes reach this very process; empty: the same")
    allowed_origins: str = option("", "comma-separated origins of other web pages that may show consoles; empty: none")
    token_ttl_s: int = option(60, "how long a console's address can be used, once")
    max_sessions: int = option(200, "consoles open at once; more are refused")
    novnc_dir: str = option("/usr/share/novnc", "folder of noVNC, whose core the page loads")


@dataclass(frozen=True)
class SchedulerConfig:
    name: str = option("", "name of this scheduler; empty: the machine's host name")
    workers: int = option(4, "operations worked on at once in this process")
    health_port: int = option(8781, "loopback port of /healthz and /metrics; 0: none")
    sweep_interval_s: float = option(1.0, "how often operations whose hint was lost are looked for")
    node_down_after_s: float = option(30.0, "a node without heartbeat for this long is down")
    cpu_ratio: float = option(4.0, "virtual CPUs per physical CPU that may be claimed")
    memory_ratio: float = option(1.0, "memory that may be claimed, per memory there is")
    disk_ratio: float = option(1.0, "disk that may be claimed, per disk there is")
    reserved_memory_mib: int = option(512, "memory of each node kept for itself, in MiB")
    reserved_disk_gib: int = option(2, "disk of each node kept for itself, in GiB")
    filters: str = option("", "filters of nodes, comma-separated, in the order they are asked; empty: all there are")
    weighers: str = option(
        "free_memory=2, free_vcpus=1, soft_affinity=10, soft_anti_affinity=10, failed_builds=100",
        "weighers of nodes with their multipliers; a negative one of free_memory, free_vcpus or free_disk packs servers"
        " on few nodes instead of spreading them",
    )
    max_attempts: int = option(3, "nodes tried before a server goes to ERROR")
    missing_domain: str = option("restore", "what happens to a server whose domain is gone: restore or error")
    lease_s: float = option(
        LEASE_S, "how long an operation stays with a scheduler that has died; renewed at a third of it"
    )


@dataclass(frozen=True)
class AgentConfig:
    node: str = option("", "name of this node; empty: the machine's host name")
    driver: str = option("auto", "auto, kvm, qemu, fake, test (libvirt's test:///default), or none: networking only")
    libvirt_uri: str = option("qemu:///system", "libvirt connection")
    state_dir: str = option("/var/lib/cumulet/agent", "specs, disks, image cache, inbox; root only")
    health_port: int = option(8782, "loopback port of /healthz and /metrics; 0: none")
    address: str = option("127.0.0.1", "address of this node for tunnels and the API")
    workers: int = option(4, "commands worked on at once; each instance is served by one at a time")
    heartbeat_interval_s: float = option(5.0, "time between heartbeats")
    image_secret_file: str = option("/var/lib/cumulet/agent/node.secret", "secret shown to the image service")
    api_ca_file: str = option(
        "", "CA certificates (PEM) that the API's certificate is checked with; empty: well-known ones"
    )
    image_cache_gib: int = option(20, "bound of the image cache, in GiB")
    image_cache_days: int = option(
        7, "an image unused for so many days leaves the cache though there is room; 0: never"
    )
    shared_instances: bool = option(
        False, "the instances' disks in state_dir are on storage that other nodes see too; all of them must say so"
    )
    vcpus: int = option(0, "CPUs offered to be shared; 0: those of the machine that are not dedicated")
    dedicated_cpus: str = option(
        "", "CPUs that guests may have for themselves (hw:cpu_policy), such as 2-7,10; all others are shared"
    )
    memory_mib: int = option(0, "memory offered, in MiB; 0: MemTotal of the machine")
    disk_gib: int = option(0, "disk offered, in GiB; 0: what the file system of state_dir has free at first start")
    console_log_kib: int = option(1024, "serial log kept per instance, in KiB")
    fake_boot_ms: int = option(0, "driver fake: how long a guest takes to start")
    fake_topology: str = option("", "driver fake: a folder like /sys/devices/system with the NUMA cells it has")


@dataclass(frozen=True)
class StorageConfig:
    volumes_dir: str = option("", "folder of the volumes' files; empty: `volumes` in the agent's state_dir")
    volumes_shared: bool = option(
        False, "volumes_dir is on storage that all nodes see (NFS or any mount); all of them must say so"
    )
    volume_format: str = option(
        "qcow2", "format of new volumes: qcow2 or raw; volumes for several servers, and those served over NBD, are raw"
    )
    volume_backends: str = option(
        "files",
        "what new volumes of this node can be, comma-separated, by the volume_backend_name of their type: files, opened by"
        " guests of this node alone; nbd, files served to any node; rbd, images of a Ceph pool. The first is that of types that"
        " name none",
    )
    nbd_ca_file: str = option(
        "", "certificates (PEM) that may sign those of nodes that serve or reach volumes over NBD"
    )
    nbd_cert_file: str = option(
        "", "certificate (PEM) of this node, for both ends: subject CN=NODE and the DNS name NODE; empty: no NBD"
    )
    nbd_key_file: str = option("", "private key of nbd_cert_file")
    nbd_address: str = option("", "address at which this node serves volumes; empty: [agent] address")
    nbd_ports: str = option("10809-11808", "ports of a node that serves volumes, one for each attachment")
    nbd_writethrough: bool = option(
        True,
        "a guest's write to a volume served over NBD is on the disk before the guest hears that it is done; false: faster,"
        " and a power cut of the serving node loses what the guest had not flushed, while the guest goes on",
    )

    rbd_pool: str = option("volumes", "the Ceph pool of rbd: one and the same for all nodes that have this back end")
    rbd_user: str = option("cumulet", "the Ceph user, without `client.`")
    rbd_conf_file: str = option(
        "/etc/ceph/ceph.conf", "configuration of the Ceph cluster, with its monitors; QEMU reads it too"
    )
    rbd_key_file: str = option(
        "",
        "key of rbd_user, as `ceph auth get-key` prints it, for this node alone to read; empty: a cluster without cephx",
    )
    fake_pool: str = option("", "driver fake: a folder that stands for the Ceph pool")

    def backends(self) -> list[str]:
        """Raises ConfigError for an unknown one, or none."""
        names = [name.strip() for name in self.volume_backends.split(",") if name.strip()]
        wrong = [name for name in names if name not in VOLUME_BACKENDS]
        if wrong or not names:
            raise ConfigError(
                f"[storage] volume_backends: {self.volume_backends!r}; known are {', '.join(VOLUME_BACKENDS)}"
            )
        return names

    def ports(self) -> range:
        """Of a node that serves volumes. Raises ConfigError."""
        first, _, last = self.nbd_ports.partition("-")
        try:
            found = range(int(first), int(last or first) + 1)
        except ValueError:
            found = range(0)
        if not found or found[0] < 1 or found[-1] > 65535:
            raise ConfigError(f"[storage] nbd_ports: {self.nbd_ports!r} is no range of ports such as 10809-11808")
        return found


#: a driver of backups that is none
NO_BACKUPS = "none"


@dataclass(frozen=True)
class BackupConfig:
    """The same on all nodes, as they do the work."""

    driver: str = option("directory", "where nodes keep backups of volumes: directory, s3, or none: they make none")
    directory: str = option("", "driver directory: the folder; empty: `backups` in the agent's state_dir")
    directory_shared: bool = option(
        False, "driver directory: the folder is on storage that all nodes see (NFS or any mount)"
    )
    s3_endpoint: str = option("", "driver s3: URL of the service; empty: Amazon's")
    s3_bucket: str = option("", "driver s3: the bucket, which is there already")
    s3_region: str = option("us-east-1", "driver s3: region of the bucket")
    s3_addressing: str = option("path", "driver s3: path, virtual or auto: where the bucket's name is in an address")
    s3_access_key: str = option("", "driver s3: access key; empty: as the environment of the agent says")
    s3_secret_key: Secret = field(
        default=_NOT_MANAGED, metadata={"help": "driver s3: secret key; empty: as the environment of the agent says"}
    )


@dataclass(frozen=True)
class NetworkConfig:
    networking: str = option("linux", "linux: bridges, dnsmasq and nftables; none: record only (driver fake)")
    shared_cidr: str = option("10.88.0.0/24", "range of the network `shared`")
    mtu: int = option(1450, "MTU of tenant networks")
    dns_upstreams: str = option("", "comma-separated resolvers that guests' questions go to; empty: local names only")
    dns_domain: str = option("cumulet.internal", "domain of guests' names")
    mac_prefix: str = option("fa:16:3e", "first three bytes of port MAC addresses")
    physical_networks: str = option(
        "physnet1:none",
        "comma-separated NAME:INTERFACE; of networks outside that external ones may be on. The interface becomes part of "
        "their bridge on gateway nodes; none: there is no wire, and the gateway node itself is the way out, with NAT",
    )
    resource_provider_bandwidths: str = option(
        "",
        "comma-separated NAME:EGRESS:INGRESS; kbit/s that this node can promise to ports, as seen from guests, on a "
        "physical network, or on rp_tunnelled for all networks between nodes. What is left out is not promised",
    )
    resource_provider_packet_processing_without_direction: str = option(
        "", "thousands of packets a second that this node can promise to ports, both directions together"
    )
    resource_provider_packet_processing_with_direction: str = option(
        "", "the same for each direction, EGRESS:INGRESS; only one of the two"
    )


@dataclass(frozen=True)
class QuotaConfig:
    """Defaults per project; -1 means without limit."""

    instances: int = option(10, "servers")
    cores: int = option(20, "virtual CPUs")
    ram_mib: int = option(51200, "memory, in MiB")
    key_pairs: int = option(100, "keypairs per user")
    metadata_items: int = option(128, "properties per server")
    server_groups: int = option(10, "server groups")
    server_group_members: int = option(10, "servers per server group")
    networks: int = option(100, "networks")
    subnets: int = option(100, "subnets")
    ports: int = option(500, "ports")
    security_groups: int = option(10, "security groups")
    security_group_rules: int = option(100, "security group rules")
    routers: int = option(10, "routers")
    floating_ips: int = option(50, "floating IPs")
    rbac_policies: int = option(10, "RBAC policies of the network service")
    subnet_pools: int = option(-1, "subnet pools")
    trunks: int = option(-1, "trunks")
    volumes: int = option(10, "volumes")
    snapshots: int = option(10, "snapshots of volumes")
    gigabytes: int = option(1000, "size of all volumes and their snapshots together, in GiB")
    volume_gigabytes: int = option(-1, "size of one volume, in GiB")
    volume_groups: int = option(10, "groups of volumes")
    backups: int = option(10, "backups of volumes")
    backup_gigabytes: int = option(1000, "size of all volumes that backups are of, in GiB")


@dataclass(frozen=True)
class Config:
    cloud: CloudConfig = CloudConfig()
    database: DatabaseConfig = DatabaseConfig()
    bus: BusConfig = BusConfig()
    api: ApiConfig = ApiConfig()
    identity: IdentityConfig = IdentityConfig()
    image: ImageConfig = ImageConfig()
    compute: ComputeConfig = ComputeConfig()
    console: ConsoleConfig = ConsoleConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    agent: AgentConfig = AgentConfig()
    storage: StorageConfig = StorageConfig()
    backup: BackupConfig = BackupConfig()
    network: NetworkConfig = NetworkConfig()
    quota: QuotaConfig = QuotaConfig()


def load(path: str | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read the INI file at `path`, else at $CUMULET_CONFIG, else at /etc/cumulet/cumulet.conf.

    Raises ConfigError for a missing file, an unknown section or key, or a value that is not of the key's type.
    """
    source = Path(path or env.get("CUMULET_CONFIG") or DEFAULT_PATH)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(source.read_text(), source=str(source))
    except OSError as err:
        raise ConfigError(
            f"can't read configuration {source}: {err.strerror}; run devstack/up or name it in CUMULET_CONFIG"
        ) from err
    except configparser.Error as err:
        raise ConfigError(f"configuration {source} is not a valid INI file: {err}") from err
    return from_mapping({name: dict(parser[name]) for name in parser.sections()}, origin=str(source))


def from_mapping(sections: Mapping[str, Mapping[str, str]], origin: str = "settings") -> Config:
    """Build a Config from texts by section and key. Raises ConfigError as `load` does."""
    classes = typing.get_type_hints(Config)
    built: dict[str, Any] = {}
    for name, values in sections.items():
        if name not in classes:
            raise ConfigError(f"{origin}: unknown section [{name}]{_nearest(name, classes)}")
        known = typing.get_type_hints(classes[name])
        settings = {}
        for key, text in values.items():
            if key not in known:
                raise ConfigError(f"{origin}: unknown key {key!r} in [{name}]{_nearest(key, known)}")
            settings[key] = _convert(text, known[key], f"{origin}: [{name}] {key}")
        built[name] = classes[name](**settings)
    return Config(**built)


def render_sample() -> str:
    """The configuration sample: every key with its help and default, commented out."""
    lines = [
        "# Cumulet configuration. Generated by `python -m common.config`; every key is shown with its default.",
        "",
    ]
    for section in dataclasses.fields(Config):
        lines.append(f"[{section.name}]")
        for key in dataclasses.fields(typing.get_type_hints(Config)[section.name]):
            default = key.default.reveal() if isinstance(key.default, Secret) else key.default
            lines += [f"# {key.metadata['help']}", f"#{key.name} = {default}", ""]
    return "\n".join(lines)


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else f"; known are {', '.join(sorted(known))}"


def _convert(text: str, kind: type, where: str) -> Any:
    if kind is Secret:
        return Secret(text)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{where}: {text!r} is neither true nor false")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError as err:
        raise ConfigError(f"{where}: {text!r} is not {'a whole number' if kind is int else 'a number'}") from err


if __name__ == "__main__":
    sys.stdout.write(render_sample())
