"""A volume type's extra specs against what a node's folder of volumes can do."""

from __future__ import annotations

import pytest

from common.volume_capabilities import NBD, RBD, apart, asks_for, of_node, unmet

NODE = of_node(total_gib=100, reserved_gib=2, allocated_gib=28)


@pytest.mark.parametrize(
    "specs",
    [
        {},
        {"volume_backend_name": "files"},
        {"capabilities:volume_backend_name": "files"},
        {"multiattach": "<is> True", "replication_enabled": "<is> False"},
        {"RESKEY:availability_zones": "elsewhere", "filter:x": "y"},  # other scopes are for somebody else
        {"free_capacity_gb": ">= 70"},
        {"free_capacity_gb": "= 10"},
        {"vendor_name": "<in> Cumu"},
        {"storage_protocol": "<or> file <or> iSCSI"},
        {"vendor_name": "s== Cumulet"},
        {"vendor_name": "s!= Other"},
    ],
)
def test_specs_that_are_met(specs: dict[str, str]) -> None:
    assert unmet(specs, NODE) is None


@pytest.mark.parametrize(
    ("specs", "named"),
    [
        ({"volume_backend_name": "lvm"}, "volume_backend_name"),
        ({"capabilities:volume_backend_name": "lvm"}, "volume_backend_name"),
        ({"multiattach": "<is> False"}, "multiattach"),
        ({"deduplication": "<is> True"}, "no such capability"),
        ({"free_capacity_gb": ">= 71"}, "70"),
        ({"free_capacity_gb": "> much"}, "free_capacity_gb"),
        ({"vendor_name": "<in> Open"}, "Cumulet"),
        ({"storage_protocol": "<or> FC <or> iSCSI"}, "storage_protocol"),
        ({"vendor_name": "s< A"}, "vendor_name"),
        ({"vendor_name": ""}, "vendor_name"),
    ],
)
def test_specs_that_are_not_met_are_named(specs: dict[str, str], named: str) -> None:
    assert named in (unmet(specs, NODE) or "")


def test_a_type_asks_for_what_it_says_is_true() -> None:
    assert asks_for({"multiattach": "<is> True"}, "multiattach")
    assert asks_for({"capabilities:multiattach": "<IS>  true"}, "multiattach")
    assert not asks_for({"multiattach": "<is> False"}, "multiattach")
    assert not asks_for({}, "multiattach")


@pytest.mark.parametrize(
    ("specs", "wanted"),
    [
        ({}, ()),
        ({"volume_backend_name": "files"}, ()),
        ({"volume_backend_name": "nbd"}, (NBD,)),
        ({"capabilities:volume_backend_name": "rbd"}, (RBD,)),
        ({"storage_protocol": "ceph", "multiattach": "<is> True"}, (RBD,)),
        ({"volume_backend_name": "<or> nbd <or> rbd"}, (NBD, RBD)),
        ({"volume_backend_name": "<or> files <or> rbd"}, ()),
        ({"online_extend_support": "<is> False"}, (NBD,)),
        ({"volume_backend_name": "lvm"}, ()),
    ],
)
def test_types_whose_volumes_need_not_be_beside_their_server(specs: dict[str, str], wanted: tuple[str, ...]) -> None:
    assert apart(specs) == wanted
