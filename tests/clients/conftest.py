"""A live cloud as `devstack/up` leaves it, and the clients of setup.cfg's extra `clients` in their own environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import openstack
import pytest
from openstack.connection import Connection

from tests.fixtures.api import PASSWORD
from tests.fixtures.live_cloud import LiveCloud


def openrc(cloud: LiveCloud, user: str) -> dict[str, str]:
    """A shell's environment after `source devstack/openrc.demo` (or openrc), and nothing of the tests' own."""
    environment = {name: value for name, value in cloud.environment(user).items() if not name.startswith("OS_")}
    return {
        **environment, "OS_AUTH_URL": f"{cloud.url}/identity/v3", "OS_USERNAME": user, "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": user, "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": "RegionOne", "OS_IDENTITY_API_VERSION": "3",
    }  # fmt: skip


def connect(cloud: LiveCloud, user: str) -> Connection:
    """openstacksdk as this user."""
    return openstack.connect(
        auth_url=f"{cloud.url}/identity/v3", username=user, password=PASSWORD, project_name=user,
        user_domain_id="default", project_domain_id="default", region_name="RegionOne",
    )  # fmt: skip


@pytest.fixture(scope="session")
def clients_venv() -> Path:
    """Where devstack/test has put the clients: beside the tests' own environment."""
    beside = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-clients")
    venv = Path(os.environ.get("CUMULET_CLIENTS_VENV", beside))
    if not (venv / "bin" / "ansible-playbook").exists():
        pytest.fail(f"the clients are not installed in {venv}: run devstack/test, which does that")
    return venv


@pytest.fixture(scope="session")
def go_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Debian's Go libraries, no module downloads; what has been compiled is kept between runs."""
    cache = os.environ.get("CUMULET_TEST_CACHE")
    folder = Path(cache) / "go-build" if cache else tmp_path_factory.mktemp("go-build")
    return {
        "GOPATH": "/usr/share/gocode",
        "GO111MODULE": "off",
        "GOCACHE": str(folder),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }


@pytest.fixture(scope="module")
def cloud(live_cloud: LiveCloud) -> Iterator[LiveCloud]:
    """The live cloud with devstack's image; gone afterwards, for other tests count on the newest image."""
    admin = connect(live_cloud, "admin")
    image = admin.image.create_image(
        "cumulet-guest", data=b"x" * 2048, disk_format="raw", container_format="bare", visibility="public"
    )
    yield live_cloud
    admin.image.delete_image(image.id)
    admin.close()
