"""Joining: a token works once and soon, strangers are refused, and the agent's files hold what the API said."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from api.app import create_app
from api.request import Services
from common import config as configuration
from common.clock import ManualClock
from common.config import BusConfig, Config
from common.db import node_tokens, nodes
from common.errors import ConfigError, Unauthenticated
from common.rpc import credentials
from common.secret import Secret
from compute_agent import join, main
from tests.fixtures.api import ApiClient

TOKENS, JOIN = "/cumulet/v1/nodes/tokens", "/cumulet/v1/nodes/join"


@pytest.fixture
def config(config: Config) -> Config:
    """Of a cloud whose broker is managed, though nobody answers there: a join does not depend on it."""
    return replace(
        config,
        bus=replace(config.bus, management_url=Secret("http://u:p@127.0.0.1:1"), node_url="amqp://10.99.0.254:35672/v"),
    )


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The agent's main sets its own, which other tests of this process must not inherit."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def make_token(client: ApiClient, node: str = "node1", **values: object) -> str:
    reply = client.post(TOKENS, "admin", json={"token": {"node": node, **values}})
    assert reply.status_code == 201, reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    return str(reply.json["token"]["token"])


def use(client: ApiClient, token: str, **values: object) -> tuple[int, dict[str, object]]:
    reply = client.post(JOIN, None, json={"join": {"token": token, **values}})
    body = reply.get_json()
    return reply.status_code, body.get("node", body)


def test_a_token_makes_a_node_once(api_client: ApiClient) -> None:
    token = make_token(api_client, is_gateway=True, is_compute=False)
    status, node = use(api_client, token, address="10.99.0.11")
    assert status == 200
    assert (node["name"], node["is_gateway"], node["is_compute"]) == ("node1", True, False)
    with api_client.services.db.read() as session:
        row = nodes.by_name(session, "node1")
    assert row is not None
    assert (row.address, row.is_gateway, row.is_compute) == ("10.99.0.11", True, False)
    assert row.secret_hash == hashlib.sha256(str(node["image_secret"]).encode()).hexdigest()
    assert str(node["bus_url"]).startswith("amqp://cumulet-node-node1:")
    assert str(node["bus_url"]).endswith("@10.99.0.254:35672/v")
    assert use(api_client, token)[0] == 401
    with api_client.services.db.read() as session:
        again = nodes.by_name(session, "node1")
    assert again is not None
    assert again.secret_hash == row.secret_hash


def test_nothing_secret_is_kept(api_client: ApiClient, tmp_path: Path) -> None:
    token = make_token(api_client)
    _, node = use(api_client, token)
    password = str(node["bus_url"]).split(":")[2].split("@")[0]
    stored = (tmp_path / "db.sqlite").read_bytes()
    for secret in (token, token.partition(".")[2], password, str(node["image_secret"])):
        assert secret.encode() not in stored


def test_a_token_expires(api_client: ApiClient, manual_clock: ManualClock) -> None:
    token = make_token(api_client, lifetime_s=60)
    manual_clock.advance(61)
    assert use(api_client, token)[0] == 401
    with api_client.services.db.read() as session:
        assert nodes.by_name(session, "node1") is None


def test_a_wrong_token_is_refused_and_guesses_are_limited(api_client: ApiClient) -> None:
    token, other = make_token(api_client), make_token(api_client, "node2")
    guess = token.partition(".")[0] + ".guess"
    statuses = [use(api_client, guess)[0] for _ in range(8)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert use(api_client, token)[0] == 429  # a token whose secret is being guessed is worth nothing any more
    assert [use(api_client, f"stranger-{number}")[0] for number in range(8)][-1] == 429
    assert use(api_client, other)[0] == 200  # nobody can keep others out


def test_a_second_join_renews_the_credentials(api_client: ApiClient) -> None:
    _, first = use(api_client, make_token(api_client), address="10.99.0.11")
    _, second = use(api_client, make_token(api_client))
    assert first["image_secret"] != second["image_secret"]
    assert first["bus_url"] != second["bus_url"]
    with api_client.services.db.read() as session:
        row = nodes.by_name(session, "node1")
        accounts = node_tokens.broker_accounts(session)
    assert row is not None
    assert row.address == "10.99.0.11"
    assert row.secret_hash == hashlib.sha256(str(second["image_secret"]).encode()).hexdigest()
    assert set(accounts) == {"node1"}


@pytest.mark.parametrize("name", ["", "a b", "../x", "x/y", "-x", "x" * 64, "n.*", "n\n"])
def test_a_name_that_can_be_no_user_is_refused(api_client: ApiClient, name: str) -> None:
    assert api_client.post(TOKENS, "admin", json={"token": {"node": name}}).status_code == 400


def test_only_administrators_make_tokens(api_client: ApiClient) -> None:
    assert api_client.post(TOKENS, "demo", json={"token": {"node": "n"}}).status_code == 403
    assert api_client.post(TOKENS, None, json={"token": {"node": "n"}}).status_code == 401


@pytest.mark.parametrize(
    ("url", "node_url", "wanted"),
    [
        ("amqp://u:p@host:5672/v", "", "amqp://cumulet-node-n.1:secret@host:5672/v"),
        ("amqp://u:p@h/", "amqps://[fd00::1]:5671/cu%2Fm", "amqps://cumulet-node-n.1:secret@[fd00::1]:5671/cu%2Fm"),
        ("filesystem://", "", "error"),
        ("amqp://u:p@h/", "amqp://u:p@h2/", "error"),
    ],
)
def test_the_url_of_a_node(url: str, node_url: str, wanted: str) -> None:
    config = BusConfig(url=Secret(url), node_url=node_url)
    if wanted == "error":
        with pytest.raises(ConfigError):
            credentials.node_url(config, "n.1", Secret("secret"))
        return
    assert credentials.node_url(config, "n.1", Secret("secret")).reveal() == wanted


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_message: object) -> None:
        """The test's output is no access log."""


@pytest.fixture
def listener(services: Services) -> Iterator[str]:
    """The API on a real port."""
    with make_server("127.0.0.1", 0, create_app(services), handler_class=_Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_agent_writes_what_it_was_told(
    api_client: ApiClient, listener: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, path = make_token(api_client, "edge-1"), tmp_path / "node" / "cumulet.conf"
    path.parent.mkdir()
    secret_file = tmp_path / "node" / "state" / "node.secret"
    path.write_text(f"[agent]\ndriver = fake\nnode = before\nimage_secret_file = {secret_file}\n")
    words = ["--join", listener, "--token", token, "--address", "10.99.0.12", "--config", str(path)]
    assert main.main(words) == 0
    written = configuration.load(str(path))
    assert (written.agent.node, written.agent.driver, written.agent.address) == ("edge-1", "fake", "10.99.0.12")
    assert written.cloud.uuid == api_client.services.config.cloud.uuid
    assert written.bus.url.reveal().startswith("amqp://cumulet-node-edge-1:")
    with api_client.services.db.read() as session:
        row = nodes.by_name(session, "edge-1")
    assert row is not None
    assert hashlib.sha256(secret_file.read_bytes().strip()).hexdigest() == row.secret_hash
    for private in (path, secret_file):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    out = capsys.readouterr()
    assert token not in out.out + out.err
    assert main.main(words) == 1  # the token is used up
    assert configuration.load(str(path)) == written


def test_the_agent_says_why_it_could_not_join(listener: str, tmp_path: Path) -> None:
    path = tmp_path / "node.conf"
    path.write_text(f"[agent]\nimage_secret_file = {tmp_path}/s/node.secret\n")
    before = path.read_text()
    with pytest.raises(Unauthenticated, match="not valid"):
        join.join(join.Request(listener, Secret("wrong"), "", "", path))
    with pytest.raises(ConfigError, match="does not answer"):
        join.join(join.Request("http://127.0.0.1:1", Secret("wrong"), "", "", path))
    with pytest.raises(ConfigError, match="no URL"):
        join.join(join.Request("file:///etc/passwd", Secret("wrong"), "", "", path))
    assert path.read_text() == before
    assert not (tmp_path / "s" / "node.secret").exists()
