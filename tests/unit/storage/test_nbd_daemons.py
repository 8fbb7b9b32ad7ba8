"""What storage daemons are told: one client, one server, no format guessed, and nothing that a name could add."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.clock import ManualClock
from common.errors import StorageError
from compute_agent.volumes.nbd_daemons import Connection, Export, of_connection, of_export

TLS = Path("/tls")
EXPORT = Export(
    id="e1", volume_id="v1", path="/volumes/a,b.raw", disk_format="raw", address="10.99.0.11", port=10809,
    client_name="node2", read_only=False, shareable=False, direct=True, writethrough=True,
)  # fmt: skip
CONNECTION = Connection(
    id="e1", address="10.99.0.11", port=10809, server_name="node1", read_only=False, made_at=ManualClock().now()
)


@dataclass(frozen=True)
class Told:
    objects: dict[str, dict[str, Any]]
    blockdev: dict[str, Any]
    server: str
    export: dict[str, Any]


def told(arguments: list[str]) -> Told:
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    objects = [json.loads(value) for name, value in pairs if name == "--object"]
    [blockdev], [server], [export] = (
        [value for name, value in pairs if name == wanted] for wanted in ("--blockdev", "--nbd-server", "--export")
    )
    return Told({each["id"]: each for each in objects}, json.loads(blockdev), server, json.loads(export))


def test_one_node_is_let_in_and_only_with_its_certificate() -> None:
    found = told(of_export(EXPORT, TLS))
    assert found.objects["client"]["identity"] == "CN=node2"
    assert (found.objects["tls"]["endpoint"], found.objects["tls"]["verify-peer"]) == ("server", True)
    wanted = "addr.type=inet,addr.host=10.99.0.11,addr.port=10809,tls-creds=tls,tls-authz=client,max-connections=16"
    assert found.server == wanted
    assert (found.export["name"], found.export["writable"], found.export["writethrough"]) == ("e1", True, True)
    file = found.blockdev["file"]
    assert (found.blockdev["driver"], file["filename"], file["locking"]) == ("raw", "/volumes/a,b.raw", "on")
    assert file["cache"] == {"direct": True}


def test_who_answers_has_the_name_of_the_node() -> None:
    found = told(of_connection(CONNECTION, TLS, Path("/run/a,b.sock")))
    assert (found.blockdev["tls-creds"], found.blockdev["tls-hostname"]) == ("tls", "node1")
    assert found.blockdev["reconnect-delay"] > 0
    assert found.server.startswith("addr.type=unix,addr.path=/run/a,,b.sock,")


def test_read_only_and_shared() -> None:
    found = told(of_export(msgspec.structs.replace(EXPORT, read_only=True, shareable=True), TLS))
    assert (found.export["writable"], found.blockdev["read-only"], found.blockdev["file"]["locking"]) == (
        False, True, "off",
    )  # fmt: skip
    connected = told(of_connection(msgspec.structs.replace(CONNECTION, read_only=True), TLS, Path("/s")))
    assert (connected.export["writable"], connected.blockdev["read-only"]) == (False, True)


@pytest.mark.parametrize("name", ["", "node2,O=x", "node 2", "-x", "n\n", "é", "CN=node2", "*"])
def test_names_that_certificates_would_understand_differently(name: str) -> None:
    with pytest.raises(StorageError):
        of_export(msgspec.structs.replace(EXPORT, client_name=name), TLS)
    with pytest.raises(StorageError):
        of_connection(msgspec.structs.replace(CONNECTION, server_name=name), TLS, Path("/s"))


def test_no_format_is_guessed() -> None:
    with pytest.raises(StorageError):
        of_export(msgspec.structs.replace(EXPORT, disk_format="vmdk"), TLS)
