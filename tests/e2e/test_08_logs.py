"""Logs of everything that the tests before this have done: one request through all processes, and no secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.e2e_cloud import Cloud

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.one_node]


def test_one_request_is_found_in_all_processes(cloud: Cloud) -> None:
    actions = cloud.sdk().compute.server_actions(cloud.server_id)
    request_id = next(action.request_id for action in actions if action.action == "create")
    for service in ("api", "scheduler", "compute-agent"):
        lines = [line for line in cloud.events(service) if line.get("request_id") == request_id]
        assert lines, f"{service}.log says nothing of {request_id}"
        assert {line["process"] for line in lines} == {service}
    agents = [line for line in cloud.events("compute-agent") if line.get("request_id") == request_id]
    assert {line["instance_id"] for line in agents if "instance_id" in line} == {cloud.server_id}


def test_every_line_is_one_event(cloud: Cloud) -> None:
    for service in ("api", "scheduler", "compute-agent"):
        for line in cloud.events(service):
            assert {"time", "level", "process", "event"} <= set(line)
            assert "trace" not in line, f"{service}: {line}"
            assert line["level"] not in ("CRITICAL",), f"{service}: {line}"


def test_nothing_goes_by_without_being_logged(cloud: Cloud) -> None:
    """What processes print instead of logging it: a traceback would be there."""
    for service in ("api", "scheduler", "compute-agent"):
        printed = (cloud.logs / f"{service}.out").read_text()
        assert "Traceback" not in printed, printed


def secrets_of(cloud: Cloud) -> dict[str, str]:
    known = json.loads((cloud.state / "etc/secrets.json").read_text())
    found = {f"password of {name}": known[name] for name in ("admin", "demo")}
    found["node secret"] = (cloud.state / "agent/node.secret").read_text().strip()
    found["password that a test gave"] = "chosen-by-e2e"
    found["every token"] = "gAAAA"
    found["generated key"] = "PRIVATE KEY-----"
    found["user data"] = "user-data-runs"
    for key in (cloud.state / "fernet").rglob("*"):
        if key.is_file():
            found[f"key {key.parent.name}/{key.name}"] = key.read_text().strip()
    return found


def test_logs_hold_no_secret(cloud: Cloud) -> None:
    """LOG-01."""
    files = [path for folder in (cloud.logs, Path("/var/log/libvirt")) for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"api.log", "scheduler.log", "compute-agent.log", "api.out"}
    for path in files:
        text = path.read_text(errors="replace")
        for what, secret in secrets_of(cloud).items():
            assert secret not in text, f"{what} is in {path}"


def test_logs_are_not_for_everybody(cloud: Cloud) -> None:
    assert cloud.logs.stat().st_mode & 0o007 == 0
