"""What a person sees first: devstack/up, its last lines, the files it leaves, health, `cumulet check`."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.request

import pytest

from tests.fixtures.e2e_cloud import HEALTH, Cloud

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.one_node]

SECOND_UP_S = 60.0  # 15 s on a machine with nothing else to do; see the times at the end of the run


def test_up_ends_with_a_command_that_logs_in(cloud: Cloud) -> None:
    assert cloud.first_up is not None
    last = cloud.first_up.output.splitlines()[-3:]
    assert [line.split("=", 1)[0] for line in last] == ["SERVER_ID", "SSH", "OPENRC"]
    command = [*shlex.split(cloud.first_up.value("SSH")), "hostname"]
    logged_in = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert logged_in.stdout.strip() == "first"


def test_openrc_is_all_a_shell_needs(cloud: Cloud) -> None:
    assert cloud.first_up is not None
    openrc = cloud.first_up.value("OPENRC")
    script = f". {shlex.quote(openrc)} && openstack token issue -f value -c project_id && cumulet node list -f value"
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/"}
    shell = subprocess.run(["sh", "-c", script], env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert shell.returncode == 0, shell.stderr
    assert "up enabled" in shell.stdout


def test_second_up_finds_everything_there(cloud: Cloud) -> None:
    second = cloud.script("up")
    assert second.value("SERVER_ID") == cloud.server_id
    for word in ("made", "written", "registered", "installed", "started", "built"):
        assert f" {word}" not in second.output, f"the second up {word} something: {second.output}"
    assert second.seconds < SECOND_UP_S


def test_files_with_passwords_are_private(cloud: Cloud) -> None:
    names = ("client/openrc", "client/openrc.demo", "client/clouds.yaml", "client/id_demo", "etc/secrets.json")
    for path in (*(cloud.state / name for name in names), cloud.state / "agent/node.secret"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert cloud.config.stat().st_mode & 0o007 == 0


def test_health_and_metrics_of_the_three_services(cloud: Cloud) -> None:
    for service, url in HEALTH.items():
        assert cloud.healthy(service)
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            assert b"# HELP " in answer.read(), service


def test_check_finds_no_fault(cloud: Cloud) -> None:
    findings = cloud.cumulet("check")
    assert {"libvirt", "qemu", "kvm", "bridges", "nftables", "ip_forward", "firewall", "database", "bus"} <= {
        finding["Check"] for finding in findings
    }
    assert [finding for finding in findings if finding["Result"] == "fail"] == []
    assert [finding for finding in findings if finding["Result"] == "warn" and not finding["Remedy"]] == []


def test_node_and_operations_tell_of_the_first_server(cloud: Cloud) -> None:
    (node,) = cloud.cumulet("node", "list")
    assert (node["State"], node["Status"], node["Servers"]) == ("up", "enabled", 1)
    shown = cloud.cumulet("node", "show", node["Name"])
    assert shown["claimed"] == {"vcpus": 1, "memory_mib": 128, "disk_gib": 1}
    assert 0 <= shown["heartbeat_age_s"] < 30
    (operation,) = cloud.cumulet("operation", "list", "--resource", cloud.server_id, cloud="cumulet")
    assert (operation["Action"], operation["State"]) == ("create", "done")
    shown = cloud.cumulet("operation", "show", operation["ID"], cloud="cumulet")
    assert "ensure_instance" in json.dumps(shown)


def test_why_names_the_chosen_node(cloud: Cloud) -> None:
    why = cloud.cumulet("server", "why", cloud.server_id)
    assert why["chosen"] == cloud.cumulet("node", "list")[0]["Name"]
    assert why["candidates"] == 1
    assert why["refusals"] == []
