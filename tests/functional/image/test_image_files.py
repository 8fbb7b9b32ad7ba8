"""An image's bytes: in once, judged on the way, out as they came; nothing is left of an upload that fails."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import stat
from pathlib import Path
from typing import Any

import pytest

from api.image.operations.uploads import recover
from common.clock import ManualClock
from common.config import Config, ImageConfig
from common.db import images
from common.ids import new_id
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import (
    BYTES,
    DATA,
    V2,
    Interrupted,
    patch,
    put_stream,
    qcow2,
    register,
    replace,
    stored_files,
    uploaded,
)

LIMIT = 1024 * 1024


@pytest.fixture
def config(config: Config) -> Config:
    limits = ImageConfig(store_dir=config.image.store_dir, max_size_mib=1, max_virtual_gib=16)
    return dataclasses.replace(config, image=limits)


def test_bytes_come_back_as_they_went_in(api_client: ApiClient, database_url: str) -> None:
    image = uploaded(api_client)
    assert image["status"] == "active"
    assert (image["size"], image["virtual_size"]) == (len(DATA), len(DATA))
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    reply = api_client.get(f"{V2}/{image['id']}/file")
    assert (reply.status_code, reply.data, reply.content_type) == (200, DATA, BYTES)
    assert reply.headers["Content-MD5"] == image["checksum"]
    assert reply.headers["Content-Length"] == str(len(DATA))
    (stored,) = stored_files(api_client)
    assert stored == Path(api_client.services.config.image.store_dir) / image["id"]
    assert stat.S_IMODE(stored.stat().st_mode) == 0o640


@pytest.mark.parametrize(("asked", "start", "end"), [
    ("bytes=0-9", 0, 10), ("bytes=10-", 10, len(DATA)), ("bytes=-5", len(DATA) - 5, len(DATA)),
    ("bytes=0-99999999", 0, len(DATA)),
])  # fmt: skip
def test_one_range(api_client: ApiClient, asked: str, start: int, end: int) -> None:
    image = uploaded(api_client)
    reply = api_client.get(f"{V2}/{image['id']}/file", headers={"Range": asked})
    assert (reply.status_code, reply.data) == (206, DATA[start:end])
    assert reply.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert "Content-MD5" not in reply.headers


@pytest.mark.parametrize(
    "asked", ["bytes=9-1", f"bytes={len(DATA)}-", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=-0"]
)
def test_a_range_that_is_not_there(api_client: ApiClient, asked: str) -> None:
    image = uploaded(api_client)
    assert api_client.get(f"{V2}/{image['id']}/file", headers={"Range": asked}).status_code == 416


def test_no_bytes_yet(api_client: ApiClient) -> None:
    assert api_client.get(f"{V2}/{register(api_client)['id']}/file").status_code == 204


def test_only_bytes_of_an_image_that_says_what_they_are(api_client: ApiClient) -> None:
    image = register(api_client)
    assert api_client.put(f"{V2}/{image['id']}/file", data=DATA, content_type="text/plain").status_code == 415
    bare = api_client.post(V2, json={"name": "no formats"}).json
    assert api_client.put(f"{V2}/{bare['id']}/file", data=DATA, content_type=BYTES).status_code == 400
    assert api_client.get(f"{V2}/{bare['id']}").json["status"] == "queued"


def test_no_bytes_are_an_image_when_they_are_announced_as_that(api_client: ApiClient) -> None:
    """As the image of a server that boots from a volume; nothing boots from it."""
    image, other = register(api_client), register(api_client, disk_format="qcow2")
    path = f"{V2}/{image['id']}"
    assert put_stream(api_client, other["id"], io.BytesIO(), None).status_code == 400, "no qcow2 is empty"
    nothing = {"CONTENT_LENGTH": ""}
    assert api_client.put(f"{path}/file", content_type=BYTES, environ_overrides=nothing).status_code == 400
    assert api_client.get(path).json["status"] == "queued"
    assert put_stream(api_client, image["id"], io.BytesIO(), None).status_code == 204
    shown = api_client.get(path).json
    assert (shown["status"], shown["size"], shown["os_hash_value"][:8]) == ("active", 0, "cf83e135")
    assert api_client.get(f"{path}/file").data == b""


def test_active_bytes_are_never_replaced(api_client: ApiClient) -> None:
    image = uploaded(api_client)
    assert api_client.put(f"{V2}/{image['id']}/file", data=b"other", content_type=BYTES).status_code == 409
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA


@pytest.mark.parametrize("attributes", [{"disk_format": "raw"}, {"disk_format": "vmdk"}, {"disk_format": "iso"}])
def test_bytes_that_are_something_else_are_refused(api_client: ApiClient, attributes: dict[str, str]) -> None:
    image = register(api_client, **attributes)
    reply = api_client.put(f"{V2}/{image['id']}/file", data=qcow2(), content_type=BYTES)
    assert reply.status_code == 400
    after = api_client.get(f"{V2}/{image['id']}").json
    assert after["status"] == "queued"
    assert after["os_glance_upload_failure"] == reply.json["message"]
    assert stored_files(api_client) == []
    patch(api_client, image["id"], replace("disk_format", "qcow2"))
    assert api_client.put(f"{V2}/{image['id']}/file", data=qcow2(), content_type=BYTES).status_code == 204
    assert "os_glance_upload_failure" not in api_client.get(f"{V2}/{image['id']}").json


@pytest.mark.parametrize(("size", "status"), [(16 * 1024**3, 204), (16 * 1024**3 + 512, 400), (2**50, 400)])
def test_the_virtual_size_is_bounded(api_client: ApiClient, size: int, status: int) -> None:
    """IMG-11."""
    image = register(api_client, disk_format="qcow2")
    reply = api_client.put(f"{V2}/{image['id']}/file", data=qcow2(size=size), content_type=BYTES)
    assert reply.status_code == status, reply.text
    assert len(stored_files(api_client)) == (status == 204)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("excess", [0, 1])
def test_the_size_is_bounded_while_bytes_arrive(api_client: ApiClient, chunked: bool, excess: int) -> None:
    """IMG-13: a body that doesn't say how long it is, and one that does."""
    image = register(api_client)
    size = LIMIT + excess
    stream = Interrupted(size * 100 if excess else size, 0, lambda: None)
    reply = put_stream(api_client, image["id"], stream, None if chunked else size)
    assert reply.status_code == (413 if excess else 204)
    assert api_client.get(f"{V2}/{image['id']}").json["status"] == ("queued" if excess else "active")
    assert len(stored_files(api_client)) == (not excess)


def test_a_client_that_goes_away_leaves_nothing(api_client: ApiClient) -> None:
    """IMG-13, at ten points, for both kinds of body."""
    image = register(api_client)

    def gone() -> None:
        raise ConnectionResetError("the client is gone")

    for tenth in range(10):
        stream = Interrupted(40960, tenth * 4096, gone)
        assert put_stream(api_client, image["id"], stream, None).status_code == 400
        reply = put_stream(api_client, image["id"], Interrupted(tenth * 4096, 0, lambda: None), 40960)
        assert reply.status_code == 400
        after = api_client.get(f"{V2}/{image['id']}").json
        assert after["status"] == "queued"
        assert "upload" in after["os_glance_upload_failure"]
        assert stored_files(api_client) == []
    assert put_stream(api_client, image["id"], Interrupted(40960, 0, lambda: None), 40960).status_code == 204


def test_deleted_while_uploading(api_client: ApiClient) -> None:
    """IMG-13, at ten points: the bytes are thrown away and the id stays deleted."""
    second = ApiClient(api_client.services, api_client.app)
    for tenth in range(10):
        image = register(api_client)
        statuses = []

        def delete(path: str = f"{V2}/{image['id']}", statuses: list[int] = statuses) -> None:
            statuses.append(second.delete(path).status_code)

        reply = put_stream(api_client, image["id"], Interrupted(40960, tenth * 4096, delete), 40960)
        assert (statuses, reply.status_code) == ([204], 410)
        assert api_client.get(f"{V2}/{image['id']}").status_code == 404
        assert stored_files(api_client) == []


def test_a_token_that_ends_while_uploading_changes_nothing(api_client: ApiClient, manual_clock: ManualClock) -> None:
    """IMG-13: who may upload was decided when the upload began."""
    image = register(api_client)
    lifetime_s = api_client.services.config.identity.token_lifetime_s
    stream = Interrupted(40960, 8192, lambda: manual_clock.advance(lifetime_s + 1))
    assert put_stream(api_client, image["id"], stream, 40960).status_code == 204
    assert api_client.get(f"{V2}/{image['id']}").status_code == 401
    assert len(stored_files(api_client)) == 1


def test_one_upload_at_a_time(api_client: ApiClient) -> None:
    image = register(api_client)
    second = ApiClient(api_client.services, api_client.app)
    replies: list[Any] = []

    def upload_too() -> None:
        path = f"{V2}/{image['id']}"
        replies.append(second.get(path).json["status"])
        replies.append(second.put(f"{path}/file", data=b"other bytes", content_type=BYTES).status_code)

    assert put_stream(api_client, image["id"], Interrupted(40960, 8192, upload_too), 40960).status_code == 204
    assert replies == ["saving", 409]
    assert api_client.get(f"{V2}/{image['id']}/file").data == b"x" * 40960


def test_a_missing_or_short_file_is_told_and_not_served(api_client: ApiClient) -> None:
    image = uploaded(api_client)
    (stored,) = stored_files(api_client)
    stored.write_bytes(DATA[:-1])
    assert api_client.get(f"{V2}/{image['id']}/file").status_code == 500
    stored.unlink()
    reply = api_client.get(f"{V2}/{image['id']}/file")
    assert reply.status_code == 500
    assert str(stored) not in reply.text


def test_what_a_killed_process_left_is_cleaned_up(api_client: ApiClient, manual_clock: ManualClock) -> None:
    """A staging file nobody writes to, an upload without one, and the bytes of a deleted image."""
    services = api_client.services
    halfway, vanished, kept = register(api_client), register(api_client), uploaded(api_client)
    dropped = uploaded(api_client)
    store = Path(services.config.image.store_dir)
    uploads = {halfway["id"]: new_id(), vanished["id"]: new_id()}
    for image_id, upload_id in uploads.items():
        with services.db.write() as session:
            assert images.begin_upload(session, image_id, upload_id, manual_clock.now())
    (store / "staging" / uploads[halfway["id"]]).write_bytes(b"half")
    assert api_client.delete(f"{V2}/{dropped['id']}").status_code == 204
    (store / dropped["id"]).write_bytes(DATA)

    assert recover(services) == [], "both uploads are young: they may be running"
    assert (store / "staging" / uploads[halfway["id"]]).exists()
    manual_clock.advance(7200)
    assert sorted(recover(services)) == sorted(uploads)
    assert [path.name for path in stored_files(api_client)] == [kept["id"]]
    for image_id in uploads:
        reply = api_client.put(f"{V2}/{image_id}/file", data=DATA, content_type=BYTES)
        assert reply.status_code == 204, reply.text


def test_an_upload_in_progress_is_not_cleaned_up(api_client: ApiClient) -> None:
    image = register(api_client)

    def clean() -> None:
        assert recover(api_client.services, older_than_s=-1) == []

    assert put_stream(api_client, image["id"], Interrupted(40960, 8192, clean), 40960).status_code == 204
