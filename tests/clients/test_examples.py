"""Every example of docs/clients.md does what the page says: it ends well, made its server, and left nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.conftest import connect, openrc
from tests.clients.examples import Example, examples
from tests.fixtures.live_cloud import LiveCloud

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning:openstack")]
RUN_S, GONE_S = 180.0, 30.0
SERVERS = {
    "openstack": "by-openstack", "cumulet": "by-cumulet",
    "openstacksdk": "by-sdk", "novaclient": "by-novaclient", "ansible": "by-ansible",
    "libcloud": "by-libcloud", "gophercloud": "by-gophercloud",
}  # fmt: skip
#: the clients whose newest releases the tests' own environment has
OF_THE_TESTS = {"cumulet", "openstack", "openstacksdk"}
#: what shows administrators something, and makes no server
OF_ADMINISTRATORS = {"osc-placement"}


def test_the_page_has_an_example_for_every_client_that_can_be_had() -> None:
    assert {each.name for each in examples()} == set(SERVERS) | OF_ADMINISTRATORS


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_example_works(
    cloud: LiveCloud, clients_venv: Path, go_environment: dict[str, str], tmp_path: Path, example: Example
) -> None:
    programs = Path(sys.executable).parent if example.name in OF_THE_TESTS else clients_venv / "bin"
    environment = openrc(cloud, "admin" if example.name in OF_ADMINISTRATORS else "demo")
    environment |= {**go_environment, "PATH": f"{programs}:{environment['PATH']}"}
    done = subprocess.run(
        _command(example, tmp_path, clients_venv), env=environment, capture_output=True, text=True, timeout=RUN_S,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    if example.name in SERVERS:
        _was_made_and_is_gone(cloud, SERVERS[example.name])
    else:
        assert "node1" in done.stdout or "VCPU=1" in done.stdout


def _command(example: Example, folder: Path, clients_venv: Path) -> list[str]:
    file = (
        folder / {"go": "example.go", "python": "example.py", "sh": "example.sh", "yaml": "play.yml"}[example.language]
    )
    file.write_text(example.text)
    if example.language == "yaml":
        (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {clients_venv}/collections\n")
        python = f"ansible_python_interpreter={clients_venv}/bin/python"
        return ["ansible-playbook", "-i", "localhost,", "-e", python, str(file)]
    return {"go": ["go", "run", str(file)], "python": ["python", str(file)], "sh": ["sh", "-eu", str(file)]}[
        example.language
    ]


def _was_made_and_is_gone(cloud: LiveCloud, name: str) -> None:
    demo, admin = connect(cloud, "demo"), connect(cloud, "admin")
    end = time.monotonic() + GONE_S
    while any(server.name == name for server in demo.compute.servers()):  # some clients don't wait for the end
        assert time.monotonic() < end, f"{name} is still there"
        time.sleep(0.1)
    deleted = admin.compute.servers(all_projects=True, deleted=True, name=name)
    assert [server.name for server in deleted], f"{name} was never made"
    assert not list(demo.network.ports(device_owner="compute:nova", name=name))
