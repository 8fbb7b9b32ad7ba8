"""Builds an agent from the configuration: driver, networking and storage that belong together."""

from __future__ import annotations

import socket
from pathlib import Path

from common.clock import Clock
from common.config import Config
from common.errors import ConfigError
from common.rpc.bus import Bus
from common.rpc.compute_v1 import PortSpec
from common.volume_capabilities import NBD, RBD
from compute_agent import identity
from compute_agent.agent import Agent
from compute_agent.backups.base import BackupStore
from compute_agent.backups.directory import BackupDirectory
from compute_agent.hypervisor.factory import choose_driver, make_hypervisor
from compute_agent.metadata.guest_passwords import ApiGuestPasswords
from compute_agent.metadata.server import MetadataServer
from compute_agent.metadata.service import MetadataService
from compute_agent.networking.base import Networking
from compute_agent.networking.none import NoNetworking
from compute_agent.specs import Specs
from compute_agent.storage.base import Storage
from compute_agent.storage.disk_storage import DiskStorage
from compute_agent.storage.disks import InstanceDisks
from compute_agent.storage.image_cache import ImageCache
from compute_agent.storage.none import NoStorage
from compute_agent.storage.prefetch import Prefetch
from compute_agent.storage.rbd import RbdPool
from compute_agent.storage.rbd_image import Pool
from compute_agent.storage.uploader import Uploader
from compute_agent.volumes.base import VolumeStore, VolumeStores
from compute_agent.volumes.folder import FORMATS, VolumeFolder
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.nbd import NbdVolumes, TlsFiles
from compute_agent.volumes.none import NoVolumes
from compute_agent.volumes.not_served import NotServedVolumes
from compute_agent.volumes.pool_notes import PoolNotes
from compute_agent.volumes.rbd import RbdVolumes
from compute_agent.volumes.served import ServedVolumes

_GIB = 1024**3
_DISKLESS = ("fake", "test", "none")


def build(config: Config, *, bus: Bus, clock: Clock, boot_id: str = "") -> Agent:
    """The agent of this machine, not started. `boot_id` "" asks the kernel. Raises ConfigError."""
    if not config.cloud.uuid:
        raise ConfigError("[cloud] uuid is not set: the agent could not tell this cloud's guests from others")
    state_dir = Path(config.agent.state_dir)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    node = node_name(config)
    specs = Specs(state_dir / "specs", clock)
    storage, volumes = make_storage(config, node, clock)
    return Agent(
        config,
        node=node,
        bus=bus,
        clock=clock,
        hypervisor=make_hypervisor(config.agent, cloud_uuid=config.cloud.uuid, clock=clock),
        networking=make_networking(config, specs, clock),
        storage=storage,
        volumes=volumes,
        backups=make_backups(config),
        specs=specs,
        boot_id=boot_id or identity.current_boot(),
    )


def teardown_network(config: Config, clock: Clock) -> None:
    """Remove whatever this node's networking has made. Raises NetworkingError, ConfigError."""
    make_networking(config, Specs(Path(config.agent.state_dir) / "specs", clock), clock).teardown()


def node_name(config: Config) -> str:
    return config.agent.node or socket.gethostname()


def make_storage(config: Config, node: str, clock: Clock) -> tuple[Storage, VolumeStores]:
    """Real disks and volumes, or none for drivers whose guests need none. Raises ConfigError."""
    state_dir = Path(config.agent.state_dir)
    secret = identity.image_secret(Path(config.agent.image_secret_file))
    uploader = Uploader(node=node, secret=secret, ca_file=config.agent.api_ca_file)
    volumes_dir = Path(config.storage.volumes_dir or state_dir / "volumes")
    if config.storage.volume_format not in FORMATS:
        raise ConfigError(f"[storage] volume_format: {config.storage.volume_format!r} is none of {', '.join(FORMATS)}")
    if choose_driver(config.agent.driver) in _DISKLESS:
        return NoStorage(state_dir, uploader), _pretended_volumes(config, volumes_dir, uploader, clock)
    cache = ImageCache(
        state_dir / "images",
        node=node,
        secret=secret,
        max_bytes=config.agent.image_cache_gib * _GIB,
        unused_s=config.agent.image_cache_days * 86400.0,
        max_virtual_bytes=config.image.max_virtual_gib * _GIB,
        clock=clock,
        ca_file=config.agent.api_ca_file,
    )
    disks = InstanceDisks(state_dir, clock)
    volumes = VolumeFolder(
        volumes_dir, images=VolumeImages(cache, disks.images_in_use), uploader=uploader,
        served=_served_volumes(config, node, clock), clock=clock,
    )  # fmt: skip
    stores = VolumeStores(volumes, _pool(config, volumes, cache, disks, clock))
    prefetch = Prefetch(state_dir / "wanted_images", cache, in_use=disks.images_in_use, clock=clock)
    return DiskStorage(disks, cache, uploader, prefetch=prefetch, domain=config.network.dns_domain), stores


def _pool(
    config: Config, folder: VolumeStore, cache: ImageCache, disks: InstanceDisks, clock: Clock
) -> VolumeStore | None:
    """Raises ConfigError."""
    storage = config.storage
    if RBD not in storage.backends():
        return None
    key_file = Path(storage.rbd_key_file) if storage.rbd_key_file else None
    for each in (Path(storage.rbd_conf_file), *([key_file] if key_file is not None else [])):
        if not each.is_absolute() or not each.is_file():
            raise ConfigError(f"[storage] rbd_conf_file, rbd_key_file: there is no file {each}")
    pool = RbdPool(Pool(storage.rbd_pool, storage.rbd_user, Path(storage.rbd_conf_file), key_file))
    notes = PoolNotes(pool, clock)
    images = VolumeImages(cache, disks.images_in_use)
    return RbdVolumes(pool, folder, images=images, notes=notes, clock=clock)


def _pretended_volumes(config: Config, folder: Path, uploader: Uploader, clock: Clock) -> VolumeStores:
    """Raises ConfigError."""
    volumes, storage = NoVolumes(folder, uploader, clock), config.storage
    if RBD not in storage.backends():
        return VolumeStores(volumes)
    if not storage.fake_pool:
        raise ConfigError("[storage] volume_backends has rbd, and fake_pool names no folder that stands for the pool")
    return VolumeStores(volumes, NoVolumes(Path(storage.fake_pool), uploader, clock, has_moments=True))


def make_backups(config: Config) -> BackupStore | None:
    """Where this node keeps backups of volumes; None: it makes none. Raises ConfigError."""
    match config.backup.driver:
        case "directory":
            return BackupDirectory(Path(config.backup.directory or Path(config.agent.state_dir) / "backups"))
        case "s3":
            # Here, so that a node that keeps backups in a folder needs no boto3.
            from compute_agent.backups.s3 import BackupBucket

            return BackupBucket(config.backup)
        case "none":
            return None
    raise ConfigError(f"[backup] driver: {config.backup.driver!r} is not known; known are directory, s3, none")


def _served_volumes(config: Config, node: str, clock: Clock) -> ServedVolumes:
    """Raises ConfigError."""
    storage = config.storage
    if not storage.nbd_cert_file:
        if NBD in storage.backends():
            raise ConfigError("[storage] volume_backends has nbd, and nbd_cert_file names no certificate")
        return NotServedVolumes()
    files = TlsFiles(Path(storage.nbd_ca_file), Path(storage.nbd_cert_file), Path(storage.nbd_key_file))
    return NbdVolumes(
        Path(config.agent.state_dir), Path(config.cloud.run_dir) / "nbd" / node, files,
        address=storage.nbd_address or config.agent.address, writethrough=storage.nbd_writethrough, clock=clock,
    )  # fmt: skip


def make_networking(config: Config, specs: Specs, clock: Clock) -> Networking:
    """Linux networking with the metadata service in it, or records only. Raises ConfigError for another name."""
    state_dir = Path(config.agent.state_dir)
    kind = config.network.networking
    if kind == "none":
        return NoNetworking(state_dir)
    if kind != "linux":
        raise ConfigError(f"[network] networking: {kind!r} is not known; known are linux, none")
    # Here, so that a node that only keeps records needs no netlink.
    from compute_agent.networking.linux import LinuxNetworking

    def port_at(network_id: str, address: str) -> PortSpec | None:
        return networking.port_at(network_id, address)

    service = MetadataService(
        port_at=port_at,
        instance_spec=specs.spec,
        domain=config.network.dns_domain,
        passwords=ApiGuestPasswords(
            url=config.api.public_url,
            node=node_name(config),
            secret=identity.image_secret(Path(config.agent.image_secret_file)),
            clock=clock,
            ca_file=config.agent.api_ca_file,
        ),
    )
    run_dir = Path(config.cloud.run_dir) / "networking"
    run_dir.mkdir(parents=True, exist_ok=True)
    run_dir.chmod(0o711)  # whatever our umask: dnsmasq gives up root and must still reach its files
    networking = LinuxNetworking(
        state_dir=state_dir,
        run_dir=run_dir,
        config=config.network,
        metadata=lambda network_id, listening: MetadataServer(network_id, listening, service.answer, clock),
        clock=clock,
        tunnel_address=_tunnel_address(config),
        packet_log_path=Path(config.cloud.log_dir) / "packets.log" if config.cloud.log_dir else None,
    )
    return networking


def _tunnel_address(config: Config) -> str:
    """No tunnels from a node that is only known by a loopback address: it is the only one."""
    return "" if config.agent.address.startswith("127.") else config.agent.address
