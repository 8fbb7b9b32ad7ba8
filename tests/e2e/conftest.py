"""One cloud for all tests of this folder, made by the real devstack/up in the sandbox.

The modules are numbered, because they run in order: a guest's boot takes ten seconds or more, so that guests are
handed on. Guests that boot in a default run: `first` and its two returns, the pair with four restarts, one killed early
and one deleted early.

With CUMULET_E2E=lab in the environment the same tests run on a lab of three nodes, but for those that are about
devstack/up itself or look into its one node (marker one_node).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import FIGURES, Cloud, make_state
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.lab import made_lab

USER_DATA = "#!/bin/sh\necho ran >>/root/user-data-runs\n"
WEB_PORT = 8000


ON_LAB = os.environ.get("CUMULET_E2E") == "lab"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """openstacksdk warns of its own future at every call."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.filterwarnings("ignore::Warning:openstack"))
    if ON_LAB:
        elsewhere = [item for item in here if item.get_closest_marker("one_node")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("times")
        terminalreporter.write_line("\n".join(FIGURES))


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """A cloud with the server `first`. After a failure its folder stays, for whoever looks at the logs."""
    if ON_LAB:
        with made_lab(request, nodes=3) as lab:
            (lab.server_id,) = lab.create("first")
            guest = e2e_guest.find(lab, lab.server_id)
            guest.wait_for_status("ACTIVE")
            guest.wait_for_ssh()
            yield lab
        return
    state = make_state("cml-e2e-")
    made = Cloud(state, Path(sys.executable).parent)
    failed_before = request.session.testsfailed
    try:
        made.first_up = made.script("up")
        made.server_id = made.first_up.value("SERVER_ID")
        yield made
    finally:
        if request.session.testsfailed > failed_before or made.first_up is None:
            print(f"\nThe failed cloud's files and logs are kept in {state}")
        else:
            shutil.rmtree(state)


@pytest.fixture(scope="session")
def first(cloud: Cloud) -> Guest:
    """The server that `up` made."""
    return e2e_guest.find(cloud, cloud.server_id)


@pytest.fixture(scope="session")
def pair(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Guest, Guest]:
    """web-1 and web-2, made by one `openstack server create` with every option that the first path has."""
    script = tmp_path_factory.mktemp("pair") / "user-data"
    script.write_text(USER_DATA)
    openstack(
        cloud,
        words("security group create web"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 web"),
        words("security group rule create --ingress --protocol icmp web"),
        words(
            "server create --image cumulet-guest --flavor c1.tiny --network shared --key-name demo "
            f"--user-data {script} --property colour=blue --config-drive true --security-group web "
            "--min 2 --max 2 --wait web"
        ),
    )
    guests = e2e_guest.find(cloud, "web-1"), e2e_guest.find(cloud, "web-2")
    for guest in guests:
        guest.wait_for_status("ACTIVE")
    for guest in guests:
        guest.wait_for_ssh()
        guest.wait_for_user_data()
    return guests
