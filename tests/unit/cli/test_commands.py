"""The `cumulet` command: its table of contents, its output, its exit codes."""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import operation, server
from cli.cloud import CloudRefusedError
from cli.main import COMMANDS, CumuletApp, render_contents
from cli.node import row as node_row

WHY: dict[str, Any] = {
    "server": "s", "operation": "o", "chosen": None, "candidates": 2,
    "filters": [{"name": "fits_memory", "passed": 0, "refused": 2}], "scores": [],
    "refusals": [{"node": "node1", "filter": "fits_memory", "reason": "too small", "wanted": 9, "free": 1}],
    "nearest_fix": "add memory",
}  # fmt: skip


class StandInCloud:
    """Answers of a service that a unit test doesn't start."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **query: Any) -> Any:
        self.asked.append((path, query))
        if path not in self.answers:
            raise CloudRefusedError(f"{path} could not be found. (HTTP 404)")
        return self.answers[path]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self.asked.append((path, body))
        return self.answers[path]

    def pages(self, path: str, key: str, service_type: str, **query: Any) -> Iterator[dict[str, Any]]:
        yield {"id": f"id-of-{query['name']}", "name": query["name"]}


def _run(arguments: list[str], cloud: StandInCloud | None = None) -> tuple[int, str, str]:
    app = CumuletApp()
    app.stdout, app.stderr = io.StringIO(), io.StringIO()
    if cloud is not None:
        app.cloud = lambda: cloud
    code = app.run(arguments)
    return code, app.stdout.getvalue(), app.stderr.getvalue()


def test_every_command_is_there_and_explains_itself() -> None:
    for target in COMMANDS.values():
        module, _, name = target.partition(":")
        assert getattr(importlib.import_module(module), name).__doc__
    with pytest.raises(SystemExit) as ended:
        _run(["--help"])
    assert ended.value.code == 0


def test_the_page_lists_every_command() -> None:
    """To write it down again: `cumulet --help`, from the line below `Commands` on."""
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    _, _, block = page.partition("```text commands\n")
    assert block.partition("```")[0].splitlines() == render_contents(COMMANDS).splitlines()[2:]


def test_help_needs_no_slow_import() -> None:
    root = Path(__file__).parents[3]
    script = (
        "import sys, cli.main\ntry:\n    cli.main.main(['--help'])\nexcept SystemExit: pass\n"
        "slow = {'openstack', 'keystoneauth1', 'sqlalchemy', 'alembic', 'kombu', 'cmd2', 'yaml', 'cli.server'}\n"
        "slow &= set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{'schedule':<30}dry-run" in done.stdout


def test_why_as_json_is_the_fixed_form() -> None:
    cloud = StandInCloud({"/servers/id-of-web/why": WHY})
    code, out, _ = _run(["server", "why", "web", "-f", "json"], cloud)
    assert code == 0
    assert list(json.loads(out)) == list(server.FIELDS)
    assert json.loads(out)["refusals"][0]["wanted"] == 9


def test_why_as_text() -> None:
    _, out, _ = _run(["server", "why", "web"], StandInCloud({"/servers/id-of-web/why": WHY}))
    assert "no node (of 2 nodes)" in out
    assert "node1  fits_memory: too small" in out
    assert "Nearest fix: add memory" in out
    early = {**WHY, "operation": None, "candidates": 0, "filters": [], "refusals": [], "nearest_fix": ""}
    assert "No node has been looked for yet." in server.render_why(early)
    assert "node2  0.5000" in server.render_why({**WHY, "scores": [{"node": "node2", "score": 0.5}]})


TRACE: dict[str, Any] = {
    "server": "s", "source": "10.0.0.5", "target": "10.0.0.6", "protocol": 6, "port": 22, "verdict": "stopped",
    "reason": "ingress: none of its 0 rules", "hops": [
        {"at": "tunnel", "what": "to another node", "passes": True, "answer": False, "id": None, "node": "node1",
         "device": "cmlvx-1", "detail": "VXLAN 7 to node2"},
        {"at": "security_group", "what": "ingress: none of its 0 rules", "passes": False, "answer": True, "id": None,
         "node": None, "device": None, "detail": ""},
    ],
}  # fmt: skip


def test_a_trace_that_is_stopped_says_where_and_is_exit_1() -> None:
    cloud = StandInCloud({"/servers/id-of-web/trace": {"trace": TRACE}})
    code, out, _ = _run(["network", "trace", "web", "db", "--port", "22"], cloud)
    assert code == 1
    assert cloud.asked == [("/servers/id-of-web/trace", {"target": "id-of-db", "protocol": "tcp", "port": 22})]
    assert out.startswith("tcp 22 from 10.0.0.5 to 10.0.0.6: STOPPED\nBecause  ingress: none of its 0 rules\n")
    assert "  1 ok   tunnel         to another node (VXLAN 7 to node2)\n" in out
    assert "node1 cmlvx-1\nthe answer:\n  2 STOP security_group" in out
    _run(["network", "trace", "web", "10.0.0.6"], cloud)
    assert cloud.asked[-1][1] == {"target": "10.0.0.6", "protocol": "icmp", "port": None}


def test_an_error_of_the_cloud_is_exit_1() -> None:
    assert _run(["server", "why", "web"], StandInCloud({}))[0] == 1
    assert _run(["no", "such", "command"])[0] == 2


def _operation(**more: Any) -> dict[str, Any]:
    return {
        "id": "o", "action": "create", "resource_id": "r", "state": "failed", "step": "claim", "attempt": 2,
        "created_at": "t", "error": {"code": "no_valid_node", "message": "none"}, **more,
    }  # fmt: skip


def test_operations() -> None:
    cloud = StandInCloud({"/operations": {"operations": [_operation()]}})
    code, out, _ = _run(["operation", "list", "--stuck", "--limit", "5", "-f", "json"], cloud)
    assert code == 0
    assert json.loads(out)[0]["Error"] == "no_valid_node: none"
    (asked,) = cloud.asked
    assert (asked[1]["stuck"], asked[1]["limit"], asked[1]["all_projects"]) == ("true", 5, None)
    event = {"started_at": "t", "name": "claim", "result": None, "node": "n", "message": "m"}
    cloud = StandInCloud({"/operations/o": {"operation": _operation(events=[event])}})
    assert "t claim … n m" in _run(["operation", "show", "o"], cloud)[1]
    assert json.loads(_run(["operation", "show", "o", "-f", "json"], cloud)[1])["events"] == [event]
    assert operation.error_text(None) == ""


def test_a_node_in_one_line() -> None:
    amounts = {"vcpus": 1, "memory_mib": 2, "disk_gib": 3}
    node = {
        "name": "n", "roles": ["compute", "gateway"], "state": "up", "status": "enabled", "heartbeat_age_s": 2.4,
        "instances": 1, "claimed": amounts, "claimable": amounts, "used": {"load_1m": 0.5},
    }  # fmt: skip
    assert node_row(node) == ("n", "compute+gateway", "up", "enabled", "2 s ago", 1, "1/1", "2/2", "3/3", 0.5)
    assert node_row({**node, "heartbeat_age_s": None})[4] == "never"


def test_an_audit_with_a_difference_is_exit_1() -> None:
    row = {"kind": "quota", "id": "p", "expected": "ram 1", "found": "ram 2", "remedy": "look"}
    answer = {"differences": [row], "nodes_compared": ["n1"], "nodes_silent": ["n2"]}
    code, out, err = _run(["audit", "resources", "-f", "json"], StandInCloud({"/audit/resources": answer}))
    assert (code, json.loads(out)[0]["Found"]) == (1, "ram 2")
    assert "node n2 did not answer" in err
    clean = StandInCloud({"/audit/resources": {**answer, "differences": []}})
    assert _run(["audit", "resources"], clean)[0] == 0


def test_a_join_token_is_shown_once_alone() -> None:
    made = {"id": "i", "node": "node1", "token": "i.secret", "expires_at": "2030-01-01T00:00:00+00:00"}
    cloud = StandInCloud({"/nodes/tokens": {"token": made}})
    words = ["node", "token", "create", "node1", "--gateway", "--no-compute", "-f", "value", "-c", "token"]
    assert _run(words, cloud)[:2] == (0, "i.secret\n")
    asked = {"node": "node1", "lifetime_s": 600, "is_compute": False, "is_gateway": True}
    assert cloud.asked == [("/nodes/tokens", {"token": asked})]


def test_queues_and_dead_letters() -> None:
    queue = {
        "name": "cumulet.reports",
        "kind": "quorum",
        "messages": 3,
        "unacknowledged": 1,
        "consumers": 2,
        "state": "ok",
    }
    letter = {
        "at": None, "kind": "report", "instance_id": "s", "operation_id": "", "request_id": "", "queue": "q",
        "reason": "rejected", "user": "cumulet-node-n1", "size_bytes": 9,
    }  # fmt: skip
    cloud = StandInCloud(
        {"/bus": {"bus": {"transport": "amqp", "queues": [queue]}}, "/bus/dead-letters": {"dead_letters": [letter]}}
    )
    assert "cumulet.reports quorum 3 1 2 ok" in _run(["bus", "list", "-f", "value"], cloud)[1]
    assert (
        "report s q rejected cumulet-node-n1 9"
        in _run(["bus", "dead-letters", "--limit", "5", "-f", "value"], cloud)[1]
    )
    assert cloud.asked[-1] == ("/bus/dead-letters", {"limit": 5})


def test_definitions_hold_a_hash_and_no_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    code, out, _ = _run(["bus", "definitions", "--password-file", str(tmp_path / "password")])
    assert code == 0
    assert "hunter2" not in out
    found = base64.b64decode(json.loads(out)["users"][0]["password_hash"])
    assert found[4:] == hashlib.sha256(found[:4] + b"hunter2").digest()


def test_a_node_is_given_up_only_with_the_statement_that_it_is_off() -> None:
    answer = {"forgotten": {"node": "n1", "servers_in_error": 2, "released": 1}}
    cloud = StandInCloud({"/nodes/n1/forget": answer})
    code, out, _ = _run(["node", "forget", "n1", "--powered-off", "-f", "json"], cloud)
    assert (code, json.loads(out)) == (0, answer["forgotten"])
    with pytest.raises(SystemExit) as refused:
        _run(["node", "forget", "n1"], cloud)
    assert (refused.value.code, len(cloud.asked)) == (2, 1)
