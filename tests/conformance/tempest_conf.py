"""tempest.conf for a running cloud, found by openstacksdk; missing flavors and images that tests need are made once.

`FEATURES` says what the tests may expect. What this cloud does not have stays switched on all the same, so that the tests of
it run and count as failed; off is only what not-counted.txt takes out, what no cloud without special hardware has, what
the choices below say.
"""

from __future__ import annotations

import configparser
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GUEST, OTHER_GUEST = "yard-guest", "yard-guest-alt"
ADVANCED_GUEST, ADVANCED_FILE, ADVANCED_USER = "yard-guest-advanced", "debian.qcow2", "debian"
_FLAVORS = (("yard.1", 192), ("yard.2", 256))  # name, MiB
_ADVANCED_FLAVOR = ("yard.advanced", 512)
_MULTIATTACH = "yard-multiattach"
_UPLOAD_S = 600
_PLENTY = 1_000_000

FEATURES: dict[str, dict[str, bool]] = {
    "compute-feature-enabled": {
        "disk_config": True, "hostname_fqdn_sanitization": True, "change_password": False, "console_output": True,
        "resize": True, "pause": True, "shelve": True, "shelve_migrate": True, "suspend": True, "cold_migration": True,
        "live_migration": True, "live_migrate_back_and_forth": True, "metadata_service": True,
        "block_migration_for_live_migration": True, "can_migrate_between_any_hosts": True, "vnc_console": True,
        "spice_console": False, "serial_console": False, "rescue": True, "stable_rescue": True,
        "enable_instance_password": True, "interface_attach": True, "snapshot": True, "personality": True,
        "attach_encrypted_volume": False, "config_drive": True, "swap_volume": True,
        "volume_backed_live_migration": True, "volume_multiattach": True, "ide_bus": True, "unified_limits": False,
        "vtpm_live_migration": False,
    },
    "identity-feature-enabled": {
        "trust": True, "api_v2": False, "api_v2_admin": False, "api_v3": True, "domain_specific_drivers": False,
        "security_compliance": False, "access_rules": True, "immutable_user_source": False, "federation": False,
        "external_idp": False,
    },
    "image-feature-enabled": {
        "api_v2": True, "import_image": True, "os_glance_reserved": True, "manage_locations": False,
        "image_conversion": False, "image_format_enforcement": True, "do_secure_hash": True,
        "http_store_enabled": False, "store_weight_enabled": False,
    },
    "network-feature-enabled": {
        "ipv6": True, "ipv6_subnet_attributes": True, "port_admin_state_change": True, "port_security": True,
        "floating_ips": True, "qos_min_bw_and_pps": False,
    },
    "volume-feature-enabled": {
        "backup": True, "snapshot": True, "clone": True, "manage_snapshot": True,
        "manage_volume": True, "replication": False, "extend_attached_volume": True,
        "extend_attached_encrypted_volume": False, "extend_volume_with_snapshot": True,
        "enable_volume_image_dep_tests": True, "consistency_group": False, "volume_revert": True,
        "volume_image_dep_tests": True, "concurrency_tests": False,
    },
    "enforce_scope": dict.fromkeys(("nova", "neutron", "glance", "cinder", "keystone", "placement"), True),
}  # fmt: skip
_SERVICES = {  # tempest's name: section with catalog_type, types in order of preference
    "nova": ("compute", ("compute",)), "neutron": ("network", ("network",)), "glance": ("image", ("image",)),
    "cinder": ("volume", ("block-storage", "volumev3")), "placement": ("placement", ("placement",)),
    "swift": ("object-storage", ("object-store",)),
}  # fmt: skip


@dataclass(frozen=True)
class Choices:
    """What differs from cloud to cloud.

    guests: servers answer SSH. fixed_network: servers are reached by their address on this shared network, and projects get
    no network and router of their own; None: by floating addresses. settings: "section.option=value", they win.
    """

    guests: bool = True
    fixed_network: str | None = None
    ssh_user: str = "root"
    settings: tuple[str, ...] = ()


Sections = dict[str, dict[str, str]]


def write(cloud: Any, workspace: Path, choices: Choices) -> None:
    """`cloud`: an administrator's openstack.connection.Connection. Writes workspace/etc/tempest.conf, 0600."""
    catalog = {entry["type"] for entry in cloud.session.auth.get_access(cloud.session).service_catalog.catalog}
    there = {name: next((kind for kind in kinds if kind in catalog), None) for name, (_, kinds) in _SERVICES.items()}
    conf: Sections = {section: {name: _word(on) for name, on in flags.items()} for section, flags in FEATURES.items()}
    _basics(conf, workspace, there)
    _accounts(conf, cloud, choices)
    _images(conf, cloud, workspace)
    _limits(cloud)
    _compute(conf, cloud)
    _network(conf, cloud, choices)
    if choices.guests:
        _advanced_image(conf, cloud)
    if there["cinder"]:
        _volumes(conf, cloud)
    for setting in choices.settings:
        key, _, value = setting.partition("=")
        section, _, option = key.rpartition(".")
        conf.setdefault(section, {})[option] = value
    _save(conf, workspace / "etc/tempest.conf")


def _basics(conf: Sections, workspace: Path, there: dict[str, str | None]) -> None:
    for folder in ("etc", "logs", "lock"):
        (workspace / folder).mkdir(parents=True, exist_ok=True)
    conf["DEFAULT"] = {"debug": "true", "log_dir": str(workspace / "logs"), "log_file": "tempest.log"}
    conf["oslo_concurrency"] = {"lock_path": str(workspace / "lock")}
    conf["service_available"] = {name: _word(kind is not None) for name, kind in there.items() if name != "placement"}
    conf["service_available"].update(horizon="false", barbican="false")
    for name, (section, _) in _SERVICES.items():
        if there[name]:
            conf.setdefault(section, {})["catalog_type"] = str(there[name])


def _accounts(conf: Sections, cloud: Any, choices: Choices) -> None:
    auth = cloud.config.auth
    url = str(auth["auth_url"]).rstrip("/")
    url = url if url.endswith("/v3") else f"{url}/v3"
    domain = auth.get("user_domain_name") or "Default"
    conf["auth"] = {
        "use_dynamic_credentials": "true", "admin_username": auth["username"], "admin_password": auth["password"],
        "admin_project_name": auth.get("project_name", "admin"), "admin_domain_name": domain,
        "admin_user_domain_name": domain, "admin_project_domain_name": auth.get("project_domain_name") or domain,
        "default_credentials_domain_name": "Default", "tempest_roles": "member",
        "create_isolated_networks": _word(choices.fixed_network is None),
    }  # fmt: skip
    conf["identity"] = {
        "uri": url, "uri_v3": url, "auth_version": "v3", "region": cloud.config.get_region_name() or "RegionOne",
        "v3_endpoint_type": "public", "default_domain_id": "default", "admin_domain_scope": "false",
    }  # fmt: skip


def _images(conf: Sections, cloud: Any, workspace: Path) -> None:
    """The first public image is the guest; its copy is the other one that some tests need, and a file of it a third's."""
    known = {image.name: image for image in cloud.image.images(status="active") if image.visibility == "public"}
    plain = (image for name, image in sorted(known.items()) if name not in (OTHER_GUEST, ADVANCED_GUEST))
    guest = known.get(GUEST) or next(plain, None)
    if guest is None:
        guest = _upload(cloud, GUEST, "raw", b"\0" * 2**20)
    file = workspace / "etc/guest.img"
    with file.open("wb") as out:
        cloud.image.download_image(guest, stream=True, output=out)
    other = known.get(OTHER_GUEST) or _upload(cloud, OTHER_GUEST, guest.disk_format, file.read_bytes())
    conf["scenario"] = {"img_file": str(file), "img_disk_format": str(guest.disk_format)}
    conf.setdefault("compute", {}).update(image_ref=guest.id, image_ref_alt=other.id)
    conf.setdefault("image", {}).update(http_image="", http_qcow2_image="")


def _limits(cloud: Any) -> None:
    """Tests of images' limits give projects their own, of what has been registered; by themselves these limit nothing."""
    service = next(each for each in cloud.identity.services() if each.type == "image")
    known = {each.resource_name for each in cloud.identity.registered_limits(service_id=service.id)}
    for name in ("image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"):
        if name not in known:
            cloud.identity.create_registered_limit(
                service_id=service.id,
                region_id=cloud.config.get_region_name(),
                resource_name=name,
                default_limit=_PLENTY,
            )


def _upload(cloud: Any, name: str, disk_format: str, data: bytes) -> Any:
    made = cloud.image.create_image(
        name=name, disk_format=disk_format, container_format="bare", visibility="public", data=io.BytesIO(data),
        validate_checksum=False, wait=True, timeout=_UPLOAD_S,
    )  # fmt: skip
    return cloud.image.get_image(made.id)


def _compute(conf: Sections, cloud: Any) -> None:
    image = cloud.image.get_image(conf["compute"]["image_ref"])
    disk_gib = max(1, image.min_disk or 0, -(-(image.virtual_size or 0) // 2**30))
    known = {flavor.name: flavor for flavor in cloud.compute.flavors()}
    for option, (name, memory_mib) in zip(("flavor_ref", "flavor_ref_alt"), _FLAVORS, strict=True):
        flavor = known.get(name) or cloud.compute.create_flavor(name=name, ram=memory_mib, vcpus=1, disk=disk_gib)
        conf["compute"][option] = flavor.id
    up = [
        each for each in cloud.compute.services(binary="nova-compute") if (each.state, each.status) == ("up", "enabled")
    ]
    types = [each.hypervisor_type for each in cloud.compute.hypervisors(details=True)]
    lowest, highest = _versions(cloud, "compute")
    conf["compute"].update(
        min_compute_nodes=str(max(1, len(up))), hypervisor_type=(types or ["QEMU"])[0],
        min_microversion=lowest, max_microversion=highest,
    )  # fmt: skip
    if len(up) > 1:
        conf["compute"].update(migration_source_host=up[0].host, migration_dest_host=up[1].host)
    conf["compute-feature-enabled"]["scheduler_enabled_filters"] = "all"


def _advanced_image(conf: Sections, cloud: Any) -> None:
    """The one for tests that call tcpdump, nping or curl in a guest: the Debian that tests/e2e/build-debian-image made.

    Without it these tests skip themselves.
    """
    image = next((each for each in cloud.image.images(status="active") if each.name == ADVANCED_GUEST), None)
    file = Path(os.environ.get("CUMULET_TEST_CACHE", ""), ADVANCED_FILE)
    if image is None and not file.is_file():
        return
    image = image or _upload(cloud, ADVANCED_GUEST, "qcow2", file.read_bytes())
    name, memory_mib = _ADVANCED_FLAVOR
    known = {flavor.name: flavor for flavor in cloud.compute.flavors()}
    disk_gib = -(-(image.virtual_size or 0) // 2**30) + 1
    flavor = known.get(name) or cloud.compute.create_flavor(name=name, ram=memory_mib, vcpus=1, disk=disk_gib)
    conf["neutron_plugin_options"].update(
        advanced_image_ref=image.id, advanced_image_flavor_ref=flavor.id, advanced_image_ssh_user=ADVANCED_USER
    )


def _volumes(conf: Sections, cloud: Any) -> None:
    """What the back ends say of themselves, and a type of volumes that several servers may have."""
    lowest, highest = _versions(cloud, "block-storage")
    types = {kind.name: kind for kind in cloud.block_storage.types()}
    if _MULTIATTACH not in types:
        cloud.block_storage.create_type(name=_MULTIATTACH, extra_specs={"multiattach": "<is> True"})
    pools = cloud.block_storage.backend_pools()
    names = sorted({str(pool.capabilities["volume_backend_name"]) for pool in pools})
    conf["volume-feature-enabled"]["multi_backend"] = _word(len(names) > 1)
    conf.setdefault("volume", {}).update(
        backend_names=",".join(names),
        min_microversion=lowest, max_microversion=highest, backup_driver="posix", storage_protocol="file",
        vendor_name="Cumulet", volume_type_multiattach=_MULTIATTACH,
    )  # fmt: skip


def _network(conf: Sections, cloud: Any, choices: Choices) -> None:
    aliases = sorted(extension.alias for extension in cloud.network.extensions())
    physical = _physical_networks(cloud, aliases)
    lowest, highest = _versions(cloud, "placement")
    conf.setdefault("placement", {}).update(min_microversion=lowest, max_microversion=highest)
    conf["network-feature-enabled"].update(
        api_extensions=",".join(aliases), qos_placement_physnet=next(iter(physical), ""), update_port_qos="true"
    )
    conf["neutron_plugin_options"] = {
        "available_type_drivers": "flat,vlan,vxlan", "agent_availability_zone": "nova", "create_shared_resources": "true",
        "provider_vlans": ",".join(physical),
        **_dns_domain(cloud),
    }  # fmt: skip
    conf["validation"] = {
        "run_validation": _word(choices.guests), "auth_method": "keypair", "ssh_key_type": "ecdsa",
        "image_ssh_user": choices.ssh_user, "image_alt_ssh_user": choices.ssh_user,
        "ping_timeout": "180", "ssh_timeout": "300",
        "connect_method": "floating" if choices.fixed_network is None else "fixed",
    }  # fmt: skip
    if choices.fixed_network is not None:
        conf["compute"]["fixed_network_name"] = choices.fixed_network
        conf["validation"]["network_for_ssh"] = choices.fixed_network
        conf["network-feature-enabled"]["floating_ips"] = "false"
        return
    shared = next((each for each in cloud.network.networks(is_shared=True) if not each.is_router_external), None)
    if shared is not None:  # projects have networks of their own; a test of lists wants one that it knows
        conf["compute"]["fixed_network_name"] = shared.name
    outside = next((each for each in cloud.network.networks(is_router_external=True) if each.subnet_ids), None)
    if outside is not None:
        conf["network"] = {
            **conf.get("network", {}),
            "public_network_id": outside.id,
            "floating_network_name": outside.name,
        }
        conf["validation"]["network_for_ssh"] = outside.name


def _physical_networks(cloud: Any, aliases: Sequence[str]) -> list[str]:
    """Those that VLANs can be on."""
    if "network-segment-range" not in aliases:
        return []
    ranges = cloud.network.network_segment_ranges(network_type="vlan")
    return sorted({each.physical_network for each in ranges if each.default})


def _dns_domain(cloud: Any) -> dict[str, str]:
    """What guests' names end with, as the cloud's ports say; a cloud without a port with an address does not tell."""
    told = (each for port in cloud.network.ports() for each in port.dns_assignment or [])
    names = (each["fqdn"].rstrip(".").removeprefix(f"{each['hostname']}.") for each in told)
    domain = next(names, None)
    return {"dns_domain": domain} if domain else {}


def has_routers(cloud: Any) -> bool:
    return any(extension.alias == "router" for extension in cloud.network.extensions())


def _versions(cloud: Any, service: str) -> tuple[str, str]:
    """The lowest and the highest microversion that the endpoint tells of."""
    endpoint = cloud.session.get_endpoint_data(
        service_type=service, interface="public", region_name=cloud.config.get_region_name()
    )
    data = endpoint.get_versioned_data(cloud.session, allow=None, discover_versions=True)
    lowest, highest = data.min_microversion, data.max_microversion
    return ".".join(map(str, lowest)), ".".join(map(str, highest))


def _word(on: bool) -> str:
    return "true" if on else "false"


def _save(conf: Sections, path: Path) -> None:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for section, options in conf.items():
        if section != "DEFAULT":
            parser.add_section(section)
        for name, value in options.items():
            # oslo.config replaces $names in values
            parser.set(section, name, value.replace("$", "$$") if "password" in name else value)
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("w") as file:
        parser.write(file)
