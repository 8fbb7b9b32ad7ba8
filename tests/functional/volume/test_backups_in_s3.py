"""The bucket of backups, against moto's server: a stranger's implementation of S3, on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.config import BackupConfig
from common.errors import ConfigError, StorageError
from common.ids import new_id
from common.secret import Secret
from compute_agent.backups import chunks
from compute_agent.backups.s3 import BackupBucket

pytestmark = pytest.mark.xdist_group("s3")  # one S3 service

boto3 = pytest.importorskip("boto3", reason="extras `s3` and `test` are not installed")
moto_server = pytest.importorskip("moto.server", reason="extra `test` is not installed")
CHUNK = 4096


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _config(endpoint: str, bucket: str = "backups") -> BackupConfig:
    return BackupConfig(
        driver="s3", s3_endpoint=endpoint, s3_bucket=bucket, s3_access_key="key", s3_secret_key=Secret("secret")
    )


@pytest.fixture
def bucket(endpoint: str) -> BackupBucket:
    credentials = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **credentials).create_bucket(Bucket="backups")
    return BackupBucket(_config(endpoint))


def _disk(path: Path, pieces: dict[int, bytes], count: int) -> Path:
    with path.open("wb") as file:
        file.truncate(count * CHUNK)
        for index, data in pieces.items():
            file.seek(index * CHUNK)
            file.write(data)
    return path


def test_full_and_incremental_backups_come_back(bucket: BackupBucket, tmp_path: Path) -> None:
    pieces = {i: os.urandom(CHUNK) for i in range(4)}
    full, second = new_id(), new_id()
    first = chunks.save(bucket, full, _disk(tmp_path / "disk", pieces, 8), None, lambda: None, CHUNK)
    later = _disk(tmp_path / "later", {**pieces, 2: b"changed"}, 8)
    manifest = chunks.save(bucket, second, later, first, lambda: None, CHUNK)
    assert (manifest.own(full), manifest.own(second)) == (3, 1)
    target = tmp_path / "restored"
    target.touch()
    chunks.restore(bucket, chunks.read_manifest(bucket, second), target, lambda: None)
    assert target.read_bytes() == later.read_bytes()


def test_removal_takes_this_backup_only_in_pages_of_a_thousand(bucket: BackupBucket) -> None:
    many, other = new_id(), new_id()
    for index in range(1003):
        bucket.put(many, f"{index:012x}", b"")
    bucket.put(other, "manifest", b"kept")
    bucket.remove(many)
    bucket.remove(many)
    with pytest.raises(StorageError, match="get"):
        bucket.get(many, f"{0:012x}")
    assert bucket.get(other, "manifest") == b"kept"


def test_a_bucket_that_is_not_there_is_told(endpoint: str) -> None:
    store = BackupBucket(_config(endpoint, "nowhere"))
    with pytest.raises(StorageError, match="bucket of backups") as told:
        store.put(new_id(), "manifest", b"x")
    assert "NoSuchBucket" in told.value.detail


def test_a_bucket_needs_a_name() -> None:
    with pytest.raises(ConfigError, match="s3_bucket"):
        BackupBucket(BackupConfig(driver="s3"))
