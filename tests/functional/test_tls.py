"""The API over TLS, by the real program: what clients and nodes accept, and what they refuse."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3

from common.clock import SystemClock
from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from common.secret import Secret
from compute_agent.storage.image_cache import ImageCache
from tests.fixtures import api_process, certificates
from tests.fixtures.api import PASSWORD

pytestmark = pytest.mark.xdist_group("tls")  # one API


@dataclass(frozen=True)
class TlsApi:
    url: str
    ca_file: Path
    other_ca_file: Path


@pytest.fixture(scope="module")
def tls_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsApi]:
    folder = tmp_path_factory.mktemp("tls")
    made = certificates.make(folder / "pki")
    api = api_process.prepare(
        folder, verify=str(made.ca_file), tls_cert_file=made.cert_file, tls_key_file=made.key_file
    )
    try:
        api.start()
        yield TlsApi(api.url, made.ca_file, certificates.make(folder / "other").ca_file)
    finally:
        api.end()


def test_a_client_that_knows_the_authority_logs_in_and_finds_https_links(tls_api: TlsApi) -> None:
    auth = v3.Password(
        auth_url=f"{tls_api.url}/identity/v3",
        username="demo",
        password=PASSWORD,
        project_name="demo",
        user_domain_id="default",
        project_domain_id="default",
    )
    client = session.Session(auth=auth, verify=str(tls_api.ca_file))
    assert client.get_token()
    document = requests.get(f"{tls_api.url}/identity/v3", verify=str(tls_api.ca_file), timeout=5).json()
    assert document["version"]["links"][0]["href"].startswith("https://")


def test_a_client_with_another_authority_refuses(tls_api: TlsApi) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{tls_api.url}/healthz", verify=str(tls_api.other_ca_file), timeout=5)


def test_nothing_is_answered_without_tls(tls_api: TlsApi) -> None:
    port = int(tls_api.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.settimeout(5)
        try:
            answer = plain.recv(100)
        except ConnectionError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("known", [True, False])
def test_a_node_shows_its_secret_only_to_the_real_image_service(tls_api: TlsApi, tmp_path: Path, known: bool) -> None:
    cache = ImageCache(
        tmp_path / "cache",
        node="node1",
        secret=Secret("s3cret"),
        max_bytes=2**20,
        max_virtual_bytes=2**30,
        clock=SystemClock(),
        ca_file=str(tls_api.ca_file if known else tls_api.other_ca_file),
    )
    image = ImageSpec(
        id="11111111-1111-4111-8111-111111111111",
        sha512="ab" * 64,
        size_bytes=1000,
        disk_format="raw",
        virtual_size_bytes=1000,
        url=f"{tls_api.url}/cumulet/v1/nodes/images/11111111-1111-4111-8111-111111111111/file",
    )
    with pytest.raises(StorageError) as refused, cache.hold(image, lambda: ()):
        pass
    reason = f"{refused.value.message} {refused.value.detail}"
    assert ("status 401" in reason) == known, reason
    assert ("CERTIFICATE_VERIFY_FAILED" in reason) != known, reason
