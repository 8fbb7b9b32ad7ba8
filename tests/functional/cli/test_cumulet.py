"""What `cumulet` does beyond `openstack`: choosing, telling, logging in, completing, keeping tokens, hiding secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.api import PASSWORD
from tests.fixtures.live_cloud import LiveCloud

FIXED = ("--flavor", "c1.tiny", "--image", "guest", "--network", "shared")
HEAVY = "openstack osc_lib sqlalchemy flask alembic kombu cmd2 jsonschema cryptography"


@pytest.fixture
def server(live_cloud: LiveCloud) -> Iterator[str]:
    name = "of-a-test"
    live_cloud.run("server", "create", *FIXED, "--wait", name)
    yield name
    live_cloud.run("server", "delete", "--wait", name)


def test_a_name_is_enough_and_what_was_chosen_is_told(live_cloud: LiveCloud) -> None:
    done = live_cloud.run("server", "create", "just-a-name", "--wait", "-f", "json")
    made = done.json
    newest = live_cloud.run("image", "list", "--sort", "created_at:desc", "-f", "json").json[0]["Name"]
    assert (made["status"], made["flavor"]["name"], made["key_name"]) == ("ACTIVE", "c1.tiny", "demo")
    for word in (
        f"image {newest} ",
        "flavor c1.tiny",
        "network shared",
        "keypair demo",
        "server just-a-name: create, ",
    ):
        assert word in done.err
    live_cloud.run("server", "delete", "--wait", "just-a-name")


def test_where_it_is_not_clear_the_option_is_named(live_cloud: LiveCloud) -> None:
    live_cloud.run("keypair", "create", "--private-key", str(live_cloud.folder / "second.key"), "second")
    try:
        assert "--key-name (demo, second)" in live_cloud.run("server", "create", "x", code=1).err
    finally:
        live_cloud.run("keypair", "delete", "second")


def test_ssh_is_started_with_the_servers_address_and_the_images_user(
    live_cloud: LiveCloud, server: str, tmp_path: Path
) -> None:
    fake = tmp_path / "ssh"
    fake.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    fake.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    asked = ("server", "ssh", server, "--wait", "0", "-i", "key", "--", "uname", "-a")
    words = live_cloud.run(*asked, env=env).out.split()
    address = live_cloud.run("server", "show", server, "-f", "json").json["addresses"]["shared"][0]
    assert words == ["-i", "key", "-o", "IdentitiesOnly=yes", "-l", "root", "--", address, "uname", "-a"]
    live_cloud.run("server", "stop", "--wait", server)
    assert "cumulet server start" in live_cloud.run("server", "ssh", server, code=1, env=env).err


def test_the_token_is_kept_for_its_owner_only_and_replaced_when_it_is_refused(
    live_cloud: LiveCloud, tmp_path: Path
) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    live_cloud.run("flavor", "list", env=env)
    (file,) = (tmp_path / "cumulet/tokens").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    first = json.loads(file.read_text())["auth_token"]
    assert PASSWORD not in file.read_text()
    live_cloud.run("flavor", "list", env=env)
    assert json.loads(file.read_text())["auth_token"] == first, "the second command needed no login"
    live_cloud.run("token", "revoke", first)
    live_cloud.run("flavor", "list", env=env)
    second = json.loads(file.read_text())["auth_token"]
    assert second != first
    file.chmod(0o644)
    live_cloud.run("flavor", "list", env=env)
    assert json.loads(file.read_text())["auth_token"] != second, "a file that others can read is not used"
    assert file.stat().st_mode & 0o777 == 0o600


def test_bash_completes_nouns_verbs_and_options(live_cloud: LiveCloud, tmp_path: Path) -> None:
    script = tmp_path / "complete.sh"
    script.write_text(live_cloud.run("complete").out)
    asks = """
    _get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cur="${COMP_WORDS[COMP_CWORD]}"; prev=""; }
    source "$1"
    ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cumulet; echo "${COMPREPLY[@]}"; }
    ask cumulet ser; ask cumulet server reb; ask cumulet server list --all; ask cumulet security group rule cr
    """
    done = subprocess.run(
        ["bash", "-c", asks, "bash", str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["server service", "reboot rebuild", "--all-projects", "create"], done.stderr


def test_debug_shows_requests_without_secrets(live_cloud: LiveCloud, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    words = ("--debug", "user", "create", "--password", "not-to-be-seen", "debugged")
    done = live_cloud.run(*words, user="admin", env=env)
    live_cloud.run("user", "delete", "debugged", user="admin")
    assert "/identity/v3/users" in done.err
    assert not any(word in done.err for word in ("not-to-be-seen", PASSWORD, "gAAAA"))


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"OS_PASSWORD": "wrong"}, "check user, password"),
        ({"OS_AUTH_URL": "http://127.0.0.1:9/identity/v3"}, "Is it up"),
        ({"OS_CLOUD": "none"}, "There is no cloud 'none': there are admin, demo"),
        ({"OS_CLOUD": ""}, "Name one with --os-cloud"),
        ({"OS_INTERFACE": "odd"}, "cumulet catalog list"),
    ],
)
def test_an_error_says_what_to_do(live_cloud: LiveCloud, tmp_path: Path, env: dict[str, str], said: str) -> None:
    done = live_cloud.run("flavor", "list", code=1, env={"XDG_CACHE_HOME": str(tmp_path), **env})
    assert said in done.err


def test_a_list_imports_nothing_heavy(live_cloud: LiveCloud) -> None:
    script = (
        "import sys, cli.main\n"
        "cli.main.main(['server', 'list', '-f', 'value'])\n"
        f"found = set('{HEAVY}'.split()) & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=live_cloud.environment("demo"), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
