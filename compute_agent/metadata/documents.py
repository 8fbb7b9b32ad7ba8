"""What a guest may learn of itself, as EC2's and OpenStack's metadata services say it.

Pure: an instance's spec in, paths and documents out. The metadata service and the config drive are rendered from the
same functions, so that a guest reads the same by either way. Only what belongs to the guest is here: no node, no
image address, nothing of another project.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.rpc.compute_v1 import Guest, InstanceSpec, NetworkSpec, PortSpec, SubnetSpec
from common.rpc.volume_commands import VolumeDisk

EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04",
)  # fmt: skip
OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14",
)  # fmt: skip
LATEST = "latest"
_CONTENT = "content"
# The version in which OpenStack's service first showed a file or a key of meta_data.json.
_FILES_SINCE = {
    "meta_data.json": "2012-08-10",
    "user_data": "2012-08-10",
    "vendor_data.json": "2013-10-17",
    "network_data.json": "2015-10-15",
    "vendor_data2.json": "2016-10-06",
}
_PASSWORD, _PASSWORD_SINCE = "password", "2013-04-04"
_KEYS_SINCE = {
    "random_seed": "2013-04-04",
    "project_id": "2015-10-15",
    "devices": "2016-06-30",
    "dedicated_cpus": "2020-10-14",
}
_DYNAMIC = {
    "slaac": "ipv6_slaac",
    "dhcpv6-stateful": "ipv6_dhcpv6-stateful",
    "dhcpv6-stateless": "ipv6_dhcpv6-stateless",
}

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Document:
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Facts:
    """Everything documents are made of. `domain` is what guests' names end in; `random_seed` feeds the guest's entropy
    pool and must be fresh each time it is given; b"" leaves it out. `admin_password` is for a config drive only, as Nova
    has it: whatever program of the guest can use the network can ask the service.
    """

    instance_id: str
    guest: Guest
    ports: Sequence[PortSpec]
    networks: Sequence[NetworkSpec]
    domain: str = ""
    random_seed: bytes = b""
    volumes: Sequence[VolumeDisk] = ()
    admin_password: str = ""


def facts_of(spec: InstanceSpec, *, domain: str, random_seed: bytes = b"", admin_password: str = "") -> Facts:
    return Facts(
        instance_id=spec.id, guest=spec.guest, ports=spec.ports, networks=spec.networks, domain=domain,
        random_seed=random_seed, volumes=spec.volumes, admin_password=admin_password,
    )  # fmt: skip


def find(facts: Facts, path: str) -> Document | None:
    """The document at a path of the metadata service, or None when there is none."""
    words = [word for word in path.split("?", 1)[0].split("/") if word]
    if not words:
        return _text("\n".join((*EC2_VERSIONS, LATEST)))
    if words[0] == "openstack":
        return _find_openstack(facts, words[1:])
    if words[0] in EC2_VERSIONS or words[0] == LATEST:
        return _find_ec2(facts, words[1:])
    return None


def is_password(path: str) -> bool:
    """Whether this is where a guest leaves its password, or looks for it: not a document, it can be written."""
    words = [word for word in path.split("?", 1)[0].split("/") if word]
    if len(words) != 3 or words[0] != "openstack" or words[2] != _PASSWORD:
        return False
    return words[1] in (LATEST, *OPENSTACK_VERSIONS) and _is_in(words[1], _PASSWORD_SINCE)


def config_drive_files(facts: Facts) -> dict[str, bytes]:
    """The files of a config drive, by path. A drive is written once: give fresh `random_seed`."""
    files = {f"ec2/{LATEST}/meta-data.json": _json(ec2_metadata(facts)).body}
    user_data = _user_data(facts.guest)
    if user_data is not None:
        files[f"ec2/{LATEST}/user-data"] = user_data
    for version in (*OPENSTACK_VERSIONS, LATEST):
        for name in _openstack_names(facts, version):
            document = _openstack_file(facts, version, name)
            if document is not None:
                files[f"openstack/{version}/{name}"] = document.body
    for number in range(len(facts.guest.files)):
        document = _content(facts, f"{number:04}")
        if document is not None:
            files[f"openstack/{_CONTENT}/{number:04}"] = document.body
    return files


def openstack_metadata(facts: Facts, version: str = LATEST) -> dict[str, Any]:
    """meta_data.json."""
    guest = facts.guest
    document: dict[str, Any] = {
        "uuid": facts.instance_id,
        "name": guest.name,
        "hostname": fqdn(facts),
        "availability_zone": guest.availability_zone,
        "launch_index": guest.launch_index,
        "project_id": guest.project_id,
        "devices": _devices(facts),
        "dedicated_cpus": [],
    }
    if guest.metadata:
        document["meta"] = dict(guest.metadata)
    if guest.public_keys:
        document["public_keys"] = dict(guest.public_keys)
        document["keys"] = [{"name": name, "type": "ssh", "data": data} for name, data in guest.public_keys.items()]
    if guest.files:
        document["files"] = [
            {"path": file.path, "content_path": f"/{_CONTENT}/{number:04}"} for number, file in enumerate(guest.files)
        ]
    if facts.random_seed:
        document["random_seed"] = base64.b64encode(facts.random_seed).decode()
    if facts.admin_password:
        document["admin_pass"] = facts.admin_password
    return {key: value for key, value in document.items() if _is_in(version, _KEYS_SINCE.get(key, ""))}


def _devices(facts: Facts) -> list[dict[str, Any]]:
    """What was given a tag. The guest knows a card by its MAC address and a disk by its serial, on whatever bus it is."""
    nowhere = {"bus": "none", "address": "none"}
    cards = [
        {"type": "nic", "mac": port.mac_address, "tags": [port.tag], **nowhere} for port in facts.ports if port.tag
    ]
    disks = [
        {"type": "disk", "serial": disk.id, "path": f"/dev/{disk.device}", "tags": [disk.tag], **nowhere}
        for disk in facts.volumes
        if disk.tag
    ]
    return [*cards, *disks]


def network_data(facts: Facts) -> dict[str, Any]:
    """network_data.json: links, their networks, and resolvers."""
    known = {network.id: network for network in facts.networks}
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, str]] = []
    for port in facts.ports:
        network = known.get(port.network_id)
        link = f"tap{port.id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": port.id,
                "type": "bridge",
                "mtu": network.mtu if network else None,
                "ethernet_mac_address": port.mac_address,
            }
        )
        subnets = {subnet.id: subnet for subnet in network.subnets} if network else {}
        for fixed in port.addresses:
            subnet = subnets.get(fixed.subnet_id)
            if subnet is None:
                continue
            name = f"network{len(networks)}"
            networks.append(_network(name, link, port.network_id, subnet, fixed.ip_address))
            services += [service for service in _resolvers(subnet) if service not in services]
    return {"links": links, "networks": networks, "services": services}


def ec2_metadata(facts: Facts) -> dict[str, Any]:
    """EC2's meta-data as a tree: a mapping is a folder, a text a file."""
    guest = facts.guest
    tree: dict[str, Any] = {
        "ami-id": f"ami-{_ec2_digits(guest.image_id)}" if guest.image_id else "",
        "ami-launch-index": str(guest.launch_index),
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": fqdn(facts),
        "instance-action": "none",
        "instance-id": f"i-{_ec2_digits(facts.instance_id)}",
        "instance-type": guest.instance_type,
        "local-hostname": fqdn(facts),
        "local-ipv4": _first_ipv4(facts.ports),
        "placement": {"availability-zone": guest.availability_zone},
        "public-hostname": fqdn(facts),
        "public-ipv4": "",
        "reservation-id": guest.reservation_id,
        "security-groups": "\n".join(dict.fromkeys(group for port in facts.ports for group in port.groups)),
    }
    if guest.public_keys:
        keys = enumerate(guest.public_keys.items())
        tree["public-keys"] = {str(index): {"_name": name, "openssh-key": data} for index, (name, data) in keys}
    return tree


def fqdn(facts: Facts) -> str:
    return f"{facts.guest.hostname}.{facts.domain}" if facts.domain else facts.guest.hostname


def _find_openstack(facts: Facts, words: Sequence[str]) -> Document | None:
    if not words:
        return _text("\n".join((*OPENSTACK_VERSIONS, LATEST)))
    version = words[0]
    if version == _CONTENT and len(words) == 2:
        return _content(facts, words[1])
    if version != LATEST and version not in OPENSTACK_VERSIONS:
        return None
    if len(words) == 1:
        return _text("\n".join(_openstack_names(facts, version)))
    return _openstack_file(facts, version, words[1]) if len(words) == 2 else None


def _openstack_names(facts: Facts, version: str) -> list[str]:
    has_user_data = _user_data(facts.guest) is not None
    names = [name for name, since in _FILES_SINCE.items() if _is_in(version, since)]
    names += [_PASSWORD] if _is_in(version, _PASSWORD_SINCE) else []
    return [name for name in names if name != "user_data" or has_user_data]


def _openstack_file(facts: Facts, version: str, name: str) -> Document | None:
    if name not in _FILES_SINCE or not _is_in(version, _FILES_SINCE[name]):
        return None
    if name == "meta_data.json":
        return _json(openstack_metadata(facts, version))
    if name == "network_data.json":
        return _json(network_data(facts))
    if name == "user_data":
        user_data = _user_data(facts.guest)
        return None if user_data is None else Document(BINARY, user_data)
    return _json({})


def _content(facts: Facts, name: str) -> Document | None:
    """What meta_data.json's `files` refer to: the bytes of an injected file, by its number."""
    files = facts.guest.files
    if not (name.isascii() and name.isdecimal() and len(name) == 4 and int(name) < len(files)):
        return None
    return Document(BINARY, base64.b64decode(files[int(name)].contents_b64))


def _find_ec2(facts: Facts, words: Sequence[str]) -> Document | None:
    user_data = _user_data(facts.guest)
    if not words:
        return _text("meta-data/" + ("\nuser-data" if user_data is not None else ""))
    if words[0] == "user-data":
        return Document(BINARY, user_data) if user_data is not None and len(words) == 1 else None
    if words[0] != "meta-data":
        return None
    node: Any = ec2_metadata(facts)
    for word in words[1:]:
        if not isinstance(node, Mapping) or word.startswith("_") or word not in node:
            return None
        node = node[word]
    return _text(_listing(node) if isinstance(node, Mapping) else str(node))


def _listing(folder: Mapping[str, Any]) -> str:
    """EC2 marks folders with a slash, and shows a key's name behind its number."""
    lines = []
    for name, entry in sorted(folder.items()):
        if name.startswith("_"):
            continue
        if isinstance(entry, Mapping):
            lines.append(f"{name}={entry['_name']}" if "_name" in entry else f"{name}/")
        else:
            lines.append(name)
    return "\n".join(lines)


def _network(name: str, link: str, network_id: str, subnet: SubnetSpec, address: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": name, "link": link, "network_id": network_id, "type": _network_type(subnet)}
    if subnet.ip_version == 4 and subnet.enable_dhcp:
        return shown
    cidr = ipaddress.ip_network(subnet.cidr)
    shown["ip_address"] = f"{address}/{cidr.prefixlen}" if subnet.ip_version == 6 else address
    if subnet.ip_version == 4:
        shown["netmask"] = str(cidr.netmask)
    shown["routes"] = [_route(ipaddress.ip_network(each.destination), each.nexthop) for each in subnet.host_routes]
    if subnet.gateway_ip:
        everywhere = ipaddress.ip_network("0.0.0.0/0" if subnet.ip_version == 4 else "::/0")
        shown["routes"].insert(0, _route(everywhere, subnet.gateway_ip))
    shown["services"] = _resolvers(subnet)
    return shown


def _network_type(subnet: SubnetSpec) -> str:
    if subnet.ip_version == 4:
        return "ipv4_dhcp" if subnet.enable_dhcp else "ipv4"
    mode = subnet.ipv6_address_mode or subnet.ipv6_ra_mode or ""
    return _DYNAMIC.get(mode, "ipv6") if subnet.enable_dhcp else "ipv6"


def _route(destination: ipaddress.IPv4Network | ipaddress.IPv6Network, gateway: str) -> dict[str, str]:
    return {"network": str(destination.network_address), "netmask": str(destination.netmask), "gateway": gateway}


def _resolvers(subnet: SubnetSpec) -> list[dict[str, str]]:
    return [{"type": "dns", "address": address} for address in subnet.dns_nameservers]


def _user_data(guest: Guest) -> bytes | None:
    """User data as the user meant it. The API has checked the base64; what is not is no user data."""
    if not guest.user_data_b64:
        return None
    try:
        return base64.b64decode(guest.user_data_b64, validate=True)
    except (binascii.Error, ValueError):
        return None


def _first_ipv4(ports: Sequence[PortSpec]) -> str:
    addresses = [fixed.ip_address for port in ports for fixed in port.addresses if ":" not in fixed.ip_address]
    return addresses[0] if addresses else ""


def _ec2_digits(identity: str) -> str:
    """EC2's ids have 17 hexadecimal digits."""
    return identity.replace("-", "")[:17]


def _is_in(version: str, since: str) -> bool:
    return version == LATEST or version >= since


def _text(text: str) -> Document:
    return Document(TEXT, text.encode())


def _json(value: Any) -> Document:
    return Document(JSON, json.dumps(value, sort_keys=True).encode())
