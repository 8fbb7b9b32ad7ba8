"""Metadata documents: EC2's tree, OpenStack's files by version, and the config drive from the same facts."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.rpc.compute_v1 import FixedAddress, Guest, GuestFile, NetworkSpec, PortSpec, SubnetSpec
from common.rpc.routers_v1 import DhcpRoute
from common.rpc.volume_commands import VolumeDisk
from compute_agent.metadata import documents

INSTANCE = "6f70656e-0000-4000-8000-0123456789ab"
NETWORK = "a1b2c3d4-0000-4000-8000-000000000001"
PORT = "00000003-0000-4000-8000-000000000001"


def facts(**guest: object) -> documents.Facts:
    said: dict[str, object] = {
        "hostname": "web-1", "name": "Web 1", "project_id": "p1", "public_keys": {"demo": "ssh-ed25519 AAAA demo"},
        "metadata": {"role": "web"}, "user_data_b64": base64.b64encode(b"#!/bin/sh\n").decode(),
        "reservation_id": "r-1", "instance_type": "c1.tiny", "image_id": "0a0b0c0d-0000-4000-8000-000000000009",
    } | guest  # fmt: skip
    subnets = [
        SubnetSpec(id="s4", cidr="10.88.0.0/24", ip_version=4, gateway_ip="10.88.0.1", dns_nameservers=["192.0.2.53"]),
        SubnetSpec(
            id="fixed", cidr="10.9.0.0/16", ip_version=4, gateway_ip="10.9.0.1", enable_dhcp=False,
            host_routes=[DhcpRoute(destination="10.7.0.0/16", nexthop="10.9.0.7")],
        ),
        SubnetSpec(id="s6", cidr="fd88::/64", ip_version=6, ipv6_address_mode="slaac", gateway_ip="fd88::1"),
    ]  # fmt: skip
    pairs = (("s4", "10.88.0.3"), ("fixed", "10.9.0.3"), ("s6", "fd88::3"))
    port = PortSpec(
        id=PORT, network_id=NETWORK, mac_address="fa:16:3e:00:00:03", instance_id=INSTANCE, groups=["g1"],
        addresses=[FixedAddress(subnet_id=subnet, ip_address=address) for subnet, address in pairs],
    )  # fmt: skip
    return documents.Facts(
        instance_id=INSTANCE, guest=Guest(**said), ports=[port],  # type: ignore[arg-type]
        networks=[NetworkSpec(id=NETWORK, vni=1, mtu=1450, subnets=subnets)], domain="cumulet.internal",
    )  # fmt: skip


def text(path: str, **guest: object) -> str | None:
    found = documents.find(facts(**guest), path)
    return None if found is None else found.body.decode()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/latest", "meta-data/\nuser-data"),
        ("/latest/meta-data/local-ipv4", "10.88.0.3"),
        ("/2009-04-04/meta-data/hostname", "web-1.cumulet.internal"),
        ("/latest/meta-data/instance-id", "i-6f70656e000040008"),
        ("/latest/meta-data/ami-id", "ami-0a0b0c0d000040008"),
        ("/latest/meta-data/instance-type", "c1.tiny"),
        ("/latest/meta-data/placement/", "availability-zone"),
        ("/latest/meta-data/placement/availability-zone", "nova"),
        ("/latest/meta-data/public-ipv4", ""),
        ("/latest/meta-data/public-keys/", "0=demo"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA demo"),
        ("/latest/meta-data/security-groups", "g1"),
        ("/latest/meta-data/block-device-mapping/root", "/dev/vda"),
        ("/latest/user-data", "#!/bin/sh\n"),
        ("/latest//meta-data///local-ipv4?x=1", "10.88.0.3"),
        ("/openstack/latest/user_data", "#!/bin/sh\n"),
        ("/openstack/latest/vendor_data.json", "{}"),
    ],
)
def test_document(path: str, said: str) -> None:
    assert text(path) == said


@pytest.mark.parametrize(
    "path",
    [
        "/2010-01-01/meta-data",
        "/latest/meta-data/nothing",
        "/latest/meta-data/hostname/deeper",
        "/latest/meta-data/public-keys/0/_name",
        "/latest/meta-data/public-keys/1/openssh-key",
        "/latest/user-data/x",
        "/latest/../openstack",
        "/openstack/2011-01-01",
        "/openstack/latest/password",
        "/openstack/latest/meta_data.json/x",
        "/openstack/2012-08-10/network_data.json",
        "/nothing",
    ],
)
def test_no_document(path: str) -> None:
    assert text(path) is None


def test_listings() -> None:
    assert (text("/") or "").splitlines()[-1] == "latest"
    listed = (text("/latest/meta-data/") or "").splitlines()
    assert {"instance-id", "public-keys/", "placement/", "local-ipv4", "reservation-id"} <= set(listed)
    assert (text("/openstack") or "").splitlines()[0] == "2012-08-10"
    names = (text("/openstack/latest/") or "").splitlines()
    assert names == [
        "meta_data.json",
        "user_data",
        "vendor_data.json",
        "network_data.json",
        "vendor_data2.json",
        "password",
    ]
    assert (text("/openstack/2012-08-10") or "").splitlines() == ["meta_data.json", "user_data"]


def test_every_listed_path_has_a_document() -> None:
    def walk(path: str) -> None:
        listing = text(path)
        assert listing is not None, path
        for line in listing.splitlines():
            if line.endswith("/"):
                walk(f"{path}{line}")
            elif line != "password":  # which is no document: it can be written
                assert text(path + line.split("=")[0]) is not None, path + line

    for version in (*documents.EC2_VERSIONS, "latest"):
        walk(f"/{version}/meta-data/")
    for version in (*documents.OPENSTACK_VERSIONS, "latest"):
        walk(f"/openstack/{version}/")


def test_without_keys_and_user_data() -> None:
    bare: dict[str, object] = {"public_keys": {}, "user_data_b64": None, "metadata": {}}
    assert text("/latest", **bare) == "meta-data/"
    assert text("/latest/user-data", **bare) is None
    assert text("/openstack/latest/user_data", **bare) is None
    assert "public-keys/" not in (text("/latest/meta-data/", **bare) or "")
    said = json.loads(text("/openstack/latest/meta_data.json", **bare) or "")
    assert not {"public_keys", "keys", "meta"} & said.keys()


def test_meta_data_by_version() -> None:
    newest = json.loads(text("/openstack/latest/meta_data.json") or "")
    assert newest["uuid"] == INSTANCE
    assert newest["name"] == "Web 1"
    assert newest["hostname"] == "web-1.cumulet.internal"
    assert newest["public_keys"] == {"demo": "ssh-ed25519 AAAA demo"}
    assert newest["keys"] == [{"name": "demo", "type": "ssh", "data": "ssh-ed25519 AAAA demo"}]
    assert newest["meta"] == {"role": "web"}
    assert {"project_id", "devices", "dedicated_cpus", "launch_index", "availability_zone"} <= newest.keys()
    oldest = json.loads(text("/openstack/2012-08-10/meta_data.json") or "")
    assert not {"project_id", "devices", "dedicated_cpus"} & oldest.keys()


def test_network_data() -> None:
    said = json.loads(text("/openstack/latest/network_data.json") or "")
    assert said["links"] == [
        {
            "id": "tap00000003-00",
            "vif_id": PORT,
            "type": "bridge",
            "mtu": 1450,
            "ethernet_mac_address": "fa:16:3e:00:00:03",
        }
    ]
    dynamic, fixed, six = said["networks"]
    assert dynamic == {"id": "network0", "link": "tap00000003-00", "network_id": NETWORK, "type": "ipv4_dhcp"}
    assert (fixed["type"], fixed["ip_address"], fixed["netmask"]) == ("ipv4", "10.9.0.3", "255.255.0.0")
    assert fixed["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.9.0.1"},
        {"network": "10.7.0.0", "netmask": "255.255.0.0", "gateway": "10.9.0.7"},
    ]
    assert (six["type"], six["ip_address"]) == ("ipv6_slaac", "fd88::3/64")
    assert said["services"] == [{"type": "dns", "address": "192.0.2.53"}]


def test_config_drive_says_what_the_service_says() -> None:
    files = documents.config_drive_files(facts())
    assert files["openstack/latest/user_data"] == b"#!/bin/sh\n"
    assert json.loads(files["ec2/latest/meta-data.json"])["local-ipv4"] == "10.88.0.3"
    for path, body in files.items():
        if path.startswith("openstack/"):
            assert text(f"/{path}") == body.decode()


def test_injected_files_are_told_and_served() -> None:
    files = [GuestFile(path="/etc/motd", contents_b64="aGVsbG8="), GuestFile(path="x", contents_b64="")]
    said = json.loads(text("/openstack/latest/meta_data.json", files=files) or "")["files"]
    assert said == [
        {"path": "/etc/motd", "content_path": "/content/0000"},
        {"path": "x", "content_path": "/content/0001"},
    ]
    assert text("/openstack/content/0000", files=files) == "hello"
    assert text("/openstack/content/0001", files=files) == ""
    for nothing in ("0002", "0", "-001", "../x"):
        assert text(f"/openstack/content/{nothing}", files=files) is None
    assert documents.config_drive_files(facts(files=files))["openstack/content/0000"] == b"hello"


def test_random_seed_is_given_when_there_is_one() -> None:
    assert "random_seed" not in documents.openstack_metadata(facts())
    with_seed = replace(facts(), random_seed=b"1234")
    assert base64.b64decode(documents.openstack_metadata(with_seed)["random_seed"]) == b"1234"
    assert "random_seed" not in documents.openstack_metadata(with_seed, "2012-08-10")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_path_has_a_document_or_none(path: str) -> None:
    documents.find(facts(), path)


def test_devices_with_tags_are_told_and_others_not() -> None:
    known = facts()
    tagged = msgspec.structs.replace(known.ports[0], tag="inside", mac_address="fa:16:3e:00:00:04")
    disks = [
        VolumeDisk(id=f"v{n}", disk_format="raw", device=f"vd{n}", tag=tag) for n, tag in (("b", "data"), ("c", ""))
    ]
    said = documents.openstack_metadata(replace(known, ports=[*known.ports, tagged], volumes=disks))["devices"]
    assert [(each["type"], each.get("mac"), each.get("serial"), each["tags"]) for each in said] == [
        ("nic", "fa:16:3e:00:00:04", None, ["inside"]),
        ("disk", None, "vb", ["data"]),
    ]
    assert "devices" not in documents.openstack_metadata(known, "2015-10-15")
