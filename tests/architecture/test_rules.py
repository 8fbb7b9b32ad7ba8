"""House rules as tests: who may import or call what, how large things may be, that generated files are fresh."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGES = ("api", "scheduler", "compute_agent", "common", "cli")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 60


def sources() -> Iterator[tuple[str, ast.Module, str]]:
    for package in PACKAGES:
        for path in sorted((TOP / package).rglob("*.py")):
            if "versions" not in path.parts:
                text = path.read_text()
                yield str(path.relative_to(TOP)), ast.parse(text), text


SOURCES = list(sources())


@cache
def imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@cache
def calls(tree: ast.Module) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("kombu", {"common/rpc/transport.py"}),
        ("amqp", {"common/rpc/transport.py"}),
        ("libvirt", {"compute_agent/hypervisor/libvirt_host.py"}),
        ("libvirt_qemu", {"compute_agent/hypervisor/libvirt_host.py"}),
        ("subprocess", {"common/tool.py"}),
        ("pickle", set()),
        ("yaml", {"cli/settings.py"}),
        ("shelve", set()),
    ],
)
def test_one_file_only_may_import(module: str, allowed: set[str]) -> None:
    assert {name for name, tree, _ in SOURCES if module in imports(tree)} <= allowed


def test_flask_stays_near_the_surface() -> None:
    users = {name for name, tree, _ in SOURCES if imports(tree) & {"flask", "werkzeug", "gunicorn"}}
    assert users <= {"api/app.py", "api/main.py"}


def test_sql_is_in_one_layer() -> None:
    users = {name for name, tree, _ in SOURCES if name.startswith(("api/", "cli/", "compute_agent/")) and calls(tree) & {
        "sa.select", "sa.update", "sa.delete", "sa.insert", "select", "session.execute", "session.scalars", "session.add",
    }}  # fmt: skip
    assert users == set()


@pytest.mark.parametrize("call", ["datetime.now", "datetime.utcnow", "time.sleep", "time.time"])
def test_time_comes_from_the_clock(call: str) -> None:
    allowed = {"common/clock.py", "common/log.py"}
    assert {name for name, tree, _ in SOURCES if call in calls(tree) and not name.startswith("cli/")} <= allowed


def test_nobody_commits_but_the_session() -> None:
    bad = {
        name for name, tree, _ in SOURCES if any(call.endswith((".commit", ".begin_nested")) for call in calls(tree))
    }
    assert bad <= {"common/db/session.py"}


def test_state_is_written_in_one_place() -> None:
    for name, tree, _ in SOURCES:
        if name == "common/db/instances.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                targets = {t.attr for t in node.targets if isinstance(t, ast.Attribute)}
                assert not targets & {"vm_state", "task_state"}, f"{name}:{node.lineno}"


def test_no_shell_and_no_eval() -> None:
    for name, tree, text in SOURCES:
        assert not calls(tree) & {"os.system", "os.popen", "eval", "exec"}, name
        assert "shell=True" not in text, name


def test_image_tools_are_called_from_one_file() -> None:
    users = {
        name for name, tree, _ in SOURCES for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "qemu-img"
    }  # fmt: skip
    assert users <= {"compute_agent/storage/qemu_img.py", "common/image_conversion.py", "cli/checks/software.py"}


def test_who_speaks_http() -> None:
    """SSRF-06: what users name is fetched by common/dialler.py alone; all others speak to addresses of the configuration."""
    clients = {"requests", "urllib3", "httpx", "aiohttp", "ftplib", "httplib2", "pycurl"}
    users = {name for name, tree, _ in SOURCES if not name.startswith("cli/") and imports(tree) & clients}
    assert users <= {
        "common/rpc/management.py", "compute_agent/join.py", "compute_agent/metadata/guest_passwords.py",
        "compute_agent/storage/image_cache.py", "compute_agent/storage/uploader.py",
    }  # fmt: skip
    plain = ("http.client", "urllib.request", "create_connection", "open_connection", "urlopen")
    assert {name for name, _, text in SOURCES if any(word in text for word in plain)} <= {"common/dialler.py"}
    assert {name for name, tree, _ in SOURCES if "Dialler" in calls(tree)} == {"api/image/operations/imports.py"}


def test_no_guests_disk_is_ever_mounted_here() -> None:
    """IMG-17: files get into a guest by its config drive or the metadata service, never by way of its disk."""
    tools = {"mount", "losetup", "guestmount", "guestfish", "virt-customize", "qemu-nbd", "kpartx"}
    users = {
        (name, node.value) for name, tree, _ in SOURCES for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in tools
    }  # fmt: skip
    assert users == set()


def test_files_and_functions_stay_small() -> None:
    too_long = [
        f"{name}: {text.count(chr(10))} lines" for name, _, text in SOURCES if text.count("\n") > MAX_FILE_LINES
    ]
    for name, tree, _ in SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                size = node.end_lineno - node.lineno + 1
                if size > MAX_FUNCTION_LINES:
                    too_long.append(f"{name}:{node.lineno} {node.name}: {size} lines")
    assert too_long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, tree, text in SOURCES if text.strip() and not ast.get_docstring(tree)]
    assert silent == []


def test_the_configuration_sample_is_fresh() -> None:
    sample = subprocess.run(
        [sys.executable, "-m", "common.config"], cwd=TOP, capture_output=True, text=True, check=True, timeout=60
    )
    assert (TOP / "etc/cumulet.conf.sample").read_text() == sample.stdout, (
        "run `python -m common.config > etc/cumulet.conf.sample`"
    )


def test_the_policy_sample_is_fresh() -> None:
    from api.app import render_policy_sample

    sample = (TOP / "etc/policy.sample.json").read_text()
    assert sample == render_policy_sample(), "run `python -m api.app > etc/policy.sample.json`"


def test_the_broker_definitions_are_fresh() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "common.rpc.topology"], cwd=TOP, capture_output=True, text=True, check=True, timeout=60
    )
    assert (TOP / "etc/rabbitmq/definitions.json").read_text() == printed.stdout, (
        "run `python -m common.rpc.topology > etc/rabbitmq/definitions.json`"
    )
