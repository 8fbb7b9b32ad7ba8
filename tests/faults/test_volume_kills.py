"""kill -9 at every place of every saga of block storage: the volume ends as asked, or in an error with a reason, once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.faults.cloud import FaultCloud, Refused
from tests.faults.volumes import BACKUP, SNAPSHOT, VOLUME, VolumeKill, VolumeScenario, all_kills, missing_sagas
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow]
KILLS = all_kills()
ANSWER_S = 60.0
NEWEST = "volume 3.71"


@dataclass(frozen=True)
class Given:
    """What the request is about: its volume, or the one that it is to be made from, and what else there has to be."""

    volume_id: str = ""
    snapshot_id: str = ""
    server_id: str = ""
    backup_id: str = ""


def test_every_saga_of_block_storage_is_walked() -> None:
    assert missing_sagas() == set(), "a new saga needs a scenario"
    assert len({str(kill) for kill in KILLS}) == len(KILLS)


@pytest.mark.full
@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_killed_once(cloud: FaultCloud, kill: VolumeKill) -> None:
    scenario, name = kill.scenario, f"killed-{time.monotonic_ns()}"
    given = _given(cloud, scenario)
    if scenario.lost:
        (cloud.folder / "volumes" / given.volume_id).unlink()
    deaths = cloud.supervisor.deaths.total()
    cloud.arm(kill.point)
    _until_answered(cloud, lambda: _ask(cloud, scenario, given, name))
    cloud.wait(
        f"a process dies at {kill.point}", lambda: cloud.fired(kill.point), told=lambda: _told(cloud, name, given)
    )
    cloud.wait(
        f"{scenario.name} ends", lambda: _status(cloud, scenario, given, name) == scenario.ends,
        told=lambda: _told(cloud, name, given),
    )  # fmt: skip
    _check(cloud, scenario, given)
    cloud.wait_sound(str(kill))
    assert kill.service == "api" or cloud.supervisor.deaths.total() == deaths + 1, "one process died, once"
    _put_away(cloud, name, given)
    survived(f"kills of {kill.service}")


def _given(cloud: FaultCloud, scenario: VolumeScenario) -> Given:
    if scenario.saga == "volume_create" and "source" not in scenario.given:
        return Given()
    volume_id = _made(cloud, VOLUME, {"volume": {"size": 1}})
    snapshot_id = server_id = backup_id = ""
    if "snapshot" in scenario.given:
        snapshot_id = _made(cloud, SNAPSHOT, {"snapshot": {"volume_id": volume_id}})
    if "backup" in scenario.given:
        backup_id = _made(cloud, BACKUP, {"backup": {"volume_id": volume_id}})
        _wait_for(cloud, VOLUME, volume_id, "available")
    if "server" in scenario.given:
        server_id = _server(cloud)
        body = {"volumeAttachment": {"volumeId": volume_id}}
        cloud.call("POST", f"/compute/v2.1/servers/{server_id}/os-volume_attachments", body)
        _wait_for(cloud, VOLUME, volume_id, "in-use")
    return Given(volume_id, snapshot_id, server_id, backup_id)


def _server(cloud: FaultCloud) -> str:
    for server_id in cloud.named("walked, with volumes"):
        return server_id
    server_id = cloud.create("walked, with volumes")
    cloud.wait_rest([server_id])
    return server_id


def _made(cloud: FaultCloud, noun: str, body: Any) -> str:
    made_id = str(_call(cloud, "POST", noun, body)[noun.removesuffix("s")]["id"])
    _wait_for(cloud, noun, made_id, "available")
    return made_id


def _wait_for(cloud: FaultCloud, noun: str, one_id: str, status: str) -> None:
    cloud.wait(f"{noun} {one_id} {status}", lambda: _show(cloud, noun, one_id).get("status", "") == status)


def _call(cloud: FaultCloud, method: str, path: str, body: Any = None) -> Any:
    return cloud.call(method, f"/volume/v3/{path}", body, version=NEWEST)


def _show(cloud: FaultCloud, noun: str, one_id: str) -> dict[str, Any]:
    """Empty when it is gone, or nobody answers just now."""
    try:
        return dict(_call(cloud, "GET", f"{noun}/{one_id}")[noun.removesuffix("s")])
    except Refused as err:
        if err.status != 404:
            raise
        return {"status": ""}
    except requests.ConnectionError:
        return {}


def _named(cloud: FaultCloud, noun: str, name: str) -> list[str]:
    return [each["id"] for each in _call(cloud, "GET", f"{noun}?name={name}")[noun]]


def _ask(cloud: FaultCloud, scenario: VolumeScenario, given: Given, name: str) -> None:
    """As a client does that asks again when it got no answer and sees that nothing has been done."""
    if _is_begun(cloud, scenario, given, name):
        return
    action = f"volumes/{given.volume_id}/action"
    match scenario.saga:
        case "volume_create":
            source = {"imageRef": cloud.image_id} if scenario.name.endswith("image") else {}
            source = {"source_volid": given.volume_id} if given.volume_id else source
            _call(cloud, "POST", VOLUME, {"volume": {"size": 1, "name": name, **source}})
        case "volume_extend":
            _call(cloud, "POST", action, {"os-extend": {"new_size": 2}})
        case "volume_revert":
            _call(cloud, "POST", action, {"revert": {"snapshot_id": given.snapshot_id}})
        case "volume_upload":
            _call(cloud, "POST", action, {"os-volume_upload_image": {"image_name": name, "disk_format": "qcow2"}})
        case "volume_delete":
            _call(cloud, "DELETE", f"volumes/{given.volume_id}?cascade=true")
        case "snapshot_create":
            _call(cloud, "POST", SNAPSHOT, {"snapshot": {"volume_id": given.volume_id, "name": name, "force": True}})
        case "snapshot_delete":
            _call(cloud, "DELETE", f"snapshots/{given.snapshot_id}")
        case "backup_create":
            _call(cloud, "POST", BACKUP, {"backup": {"volume_id": given.volume_id, "name": name}})
        case "backup_restore":
            _call(cloud, "POST", f"backups/{given.backup_id}/restore", {"restore": {"volume_id": given.volume_id}})
        case "backup_delete":
            _call(cloud, "DELETE", f"backups/{given.backup_id}")
        case _:
            raise AssertionError(f"{scenario.name}: no request for it here")


def _is_begun(cloud: FaultCloud, scenario: VolumeScenario, given: Given, name: str) -> bool:
    match scenario.saga:
        case "volume_create" | "snapshot_create" | "backup_create":
            return bool(_named(cloud, scenario.of, name))
        case "volume_upload":
            return bool(_images(cloud, name))
        case "snapshot_delete":
            return cloud.operated(given.snapshot_id, scenario.saga)
        case "backup_delete" | "backup_restore":
            return cloud.operated(given.backup_id, scenario.saga)
        case _:
            return cloud.operated(given.volume_id, scenario.saga)


def _images(cloud: FaultCloud, name: str) -> list[dict[str, Any]]:
    return list(cloud.call("GET", f"/image/v2/images?name={name}")["images"])


def _status(cloud: FaultCloud, scenario: VolumeScenario, given: Given, name: str) -> str | None:
    """Of what the request was about, when its operation is over; None: not yet."""
    try:
        if scenario.saga in ("volume_create", "snapshot_create", "backup_create"):
            found = _named(cloud, scenario.of, name)
            assert len(found) == 1, "made twice"
            about = found[0]
        else:
            about = {SNAPSHOT: given.snapshot_id, BACKUP: given.backup_id}.get(scenario.of, given.volume_id)
    except requests.ConnectionError:
        return None
    if not (cloud.at_rest(about) and (not given.backup_id or cloud.at_rest(given.backup_id))):
        return None
    return _show(cloud, scenario.of, about).get("status")


def _check(cloud: FaultCloud, scenario: VolumeScenario, given: Given) -> None:
    """Besides its own status: its volume's, its size, and what was made of it."""
    if scenario.of != VOLUME:
        assert _show(cloud, VOLUME, given.volume_id)["status"] == scenario.leaves
    if scenario.saga == "volume_extend":
        assert _show(cloud, VOLUME, given.volume_id)["size"] == (1 if scenario.lost else 2)
    if scenario.lost and given.volume_id:
        assert _call(cloud, "GET", "messages")["messages"], "nobody is told why"


def _put_away(cloud: FaultCloud, name: str, given: Given) -> None:
    for image in _images(cloud, name):
        assert image["status"] == "active", image
        cloud.call("DELETE", f"/image/v2/images/{image['id']}")
    if given.server_id:
        path = f"/compute/v2.1/servers/{given.server_id}/os-volume_attachments/{given.volume_id}"
        cloud.call("DELETE", path)
        _wait_for(cloud, VOLUME, given.volume_id, "available")
    for backup_id in (*_named(cloud, BACKUP, name), given.backup_id):
        if backup_id and _show(cloud, BACKUP, backup_id)["status"]:
            _call(cloud, "DELETE", f"backups/{backup_id}")
            _wait_for(cloud, BACKUP, backup_id, "")
    for volume_id in (*_named(cloud, VOLUME, name), given.volume_id):
        if volume_id and _show(cloud, VOLUME, volume_id)["status"]:
            _call(cloud, "DELETE", f"volumes/{volume_id}?cascade=true")
            _wait_for(cloud, VOLUME, volume_id, "")


def _told(cloud: FaultCloud, name: str, given: Given) -> Any:
    ids = [*_named(cloud, VOLUME, name), *_named(cloud, SNAPSHOT, name), given.volume_id, given.snapshot_id]
    return {each: cloud.operations(each) for each in ids if each}


def _until_answered(cloud: FaultCloud, ask: Any) -> None:
    def answered() -> bool:
        try:
            ask()
        except requests.ConnectionError:
            return False
        except Refused as err:
            if err.status != 503:
                raise
            return False
        return True

    cloud.wait("an answer", answered, ANSWER_S)
