"""Fixed walks of a real guest through its states, as tests/functional/cloud/test_random_walk.py takes made-up ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]
BOOTS_S = 150.0

#: (what is done, its body or the name of what it is done with, the status that it leads to, and what becomes of the boot:
#: same, other, or off)
Step = tuple[str, Any, str, str]
SEQUENCES: dict[str, tuple[Step, ...]] = {
    "memory that is held and thrown away": (
        ("pause", None, "PAUSED", "off"), ("createImage", {"name": "walk-image"}, "PAUSED", "off"),
        ("unpause", None, "ACTIVE", "same"), ("suspend", None, "SUSPENDED", "off"),
        ("reboot", {"type": "HARD"}, "ACTIVE", "other"), ("pause", None, "PAUSED", "off"),
        ("reboot", {"type": "HARD"}, "ACTIVE", "other"),
    ),
    "on the shelf from memory": (
        ("suspend", None, "SUSPENDED", "off"), ("shelve", None, "SHELVED_OFFLOADED", "off"),
        ("unshelve", None, "ACTIVE", "other"), ("resize", "c1.small", "VERIFY_RESIZE", "other"),
        ("revertResize", None, "ACTIVE", "other"), ("reboot", {"type": "SOFT"}, "ACTIVE", "other"),
    ),
    "stopped all along": (  # the last one: it keeps the larger flavor
        ("os-stop", None, "SHUTOFF", "off"), ("resize", "c1.small", "VERIFY_RESIZE", "off"),
        ("confirmResize", None, "SHUTOFF", "off"), ("rescue", None, "RESCUE", "other"),
        ("unrescue", None, "ACTIVE", "other"), ("os-stop", None, "SHUTOFF", "off"),
        ("rebuild", "cumulet-guest", "SHUTOFF", "off"), ("os-start", None, "ACTIVE", "other"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def hiker(cloud: Cloud) -> Iterator[Guest]:
    openstack(
        cloud,
        words("security group create hiker"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 hiker"),
        words(
            "server create --image cumulet-guest --flavor c1.tiny --network shared --key-name demo --security-group hiker "
            "--wait hiker"
        ),
    )
    guest = e2e_guest.find(cloud, "hiker")
    guest.wait_for_ssh()
    yield guest
    openstack(cloud, words("server delete --wait hiker"), words("security group delete hiker"))
    for image in list(cloud.sdk().image.images(name="walk-image")):
        cloud.sdk().image.delete_image(image.id)


def _body(cloud: Cloud, name: str) -> dict[str, str]:
    """Of a resize to a flavor, or of a rebuild from an image."""
    if name.startswith("c1."):
        return {"flavorRef": cloud.sdk().compute.find_flavor(name).id}
    return {"imageRef": cloud.sdk().image.find_image(name).id}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_walk_through_its_states(cloud: Cloud, hiker: Guest, name: str) -> None:
    """Each step leads where it should and does to the guest what it should; at the end all books agree."""
    boot = hiker.boot_id()
    assert boot
    for action, body, status, fate in SEQUENCES[name]:
        hiker.act(action, _body(cloud, body) if isinstance(body, str) else body)
        hiker.wait_for_status(status, BOOTS_S)
        if fate == "off":
            assert hiker.boot_id() == "", f"{action}: it answers"
        elif fate == "same":
            until(lambda: hiker.boot_id() == boot, f"the same boot after {action}", deadline_s=60)  # noqa: B023
        else:
            hiker.wait_for_other_boot(boot)
            boot = hiker.boot_id()
    assert cloud.cumulet("audit", "resources") == []
