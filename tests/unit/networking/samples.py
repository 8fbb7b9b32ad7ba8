"""Networks and ports that the networking tests share."""

from __future__ import annotations

from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, PortSpec, SubnetSpec

NETWORK = "a1b2c3d4-0000-4000-8000-000000000001"
ISOLATED = "b1b2c3d4-0000-4000-8000-000000000001"


def network(*, nat: bool = True, **rest: object) -> NetworkSpec:
    subnet = SubnetSpec(id="s4", cidr="10.88.0.0/24", ip_version=4, gateway_ip="10.88.0.1", dhcp_ip="10.88.0.2")
    facts: dict[str, object] = {"id": NETWORK, "vni": 1, "mtu": 1450, "subnets": [subnet], "nat": nat} | rest
    return NetworkSpec(**facts)  # type: ignore[arg-type]


def port(number: int, **rest: object) -> PortSpec:
    facts: dict[str, object] = {
        "id": f"{number:08x}-0000-4000-8000-000000000001",
        "network_id": NETWORK,
        "mac_address": f"fa:16:3e:00:00:{number:02x}",
        "addresses": [FixedAddress(subnet_id="s4", ip_address=f"10.88.0.{number}")],
        "instance_id": f"instance-{number}",
        "hostname": f"guest-{number}",
    } | rest
    return PortSpec(**facts)  # type: ignore[arg-type]


def ingress(**rest: object) -> FilterRule:
    facts: dict[str, object] = {"direction": "ingress", "ethertype": "IPv4"} | rest
    return FilterRule(**facts)  # type: ignore[arg-type]


def egress(**rest: object) -> FilterRule:
    return ingress(direction="egress", **rest)
