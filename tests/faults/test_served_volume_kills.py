"""kill -9 while a volume comes from one node to another: copied there, or served to a server; no file, no export is left.

What these sagas do besides is walked by test_kills.py and test_volume_kills.py, in a cloud whose nodes see one folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from scheduler.sagas import SAGAS
from tests.faults.cloud import FaultCloud, Refused
from tests.faults.kills import AGENT_PLACES, WHEN
from tests.faults.test_volume_kills import NEWEST
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow, pytest.mark.full]
TYPE, SERVER = "served", "walked, with served volumes"
_EXPORT = ("export:before", "export:after")
#: by what is done: the saga, and its steps that ask a node, with the places of the node's work
WALKED: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "migrate": ("volume_migrate", {"export_volume": _EXPORT, "take_over_volume": ("volume:before", "volume:after")}),
    "clear": ("volume_remove_copy", {"discard_file": ()}),
    "attach": ("server_attach_volume", {"export_volume": _EXPORT}),
    "detach": ("server_detach_volume", {"withdraw_export": _EXPORT}),
    "extend": (
        "volume_extend",
        {
            "resize_volume": ("volume:before", "volume:after"),
            "show_size": ("connection:before", "connection:after", "domain:before", "domain:after"),
        },
    ),
    "create": ("server_create", {"export_volumes": _EXPORT}),
}
LOST = "migrate what is lost"


@dataclass(frozen=True)
class Kill:
    what: str
    point: str

    def __str__(self) -> str:
        return f"{self.what}-{self.point}".replace(" ", "_")


def kills() -> Iterator[Kill]:
    for what, (saga, steps) in WALKED.items():
        for step, work in steps.items():
            yield from (
                Kill(what, f"scheduler:{saga}.{step}:{did}:{when}") for did in ("sent", "done") for when in WHEN
            )
            yield from (Kill(what, f"scheduler:{step}:report_{did}") for did in ("received", "handled", "acknowledged"))
            places = (*(each for each in AGENT_PLACES if not each.startswith("state:")), *work)
            yield from (Kill(what, f"agent:{step}:{place}") for place in places)
    names = [step.name for step in SAGAS["volume_migrate"].steps]
    yield from (Kill(LOST, f"scheduler:volume_migrate.export_volume:failed:{when}") for when in WHEN)
    for name in names[: names.index("export_volume") + 1]:
        yield from (Kill(LOST, f"scheduler:volume_migrate.{name}:undone:{when}") for when in WHEN)


@pytest.mark.parametrize("kill", list(kills()), ids=str)
def test_killed_once(apart: FaultCloud, kill: Kill) -> None:
    cloud, what = apart, kill.what
    volume_id, server_id = _given(cloud, what)
    if what == LOST:
        _files(cloud, volume_id)[0].unlink()
    deaths = cloud.supervisor.deaths.total()
    cloud.arm(kill.point)
    made = _ask(cloud, what, volume_id, server_id)
    cloud.wait(f"a process dies at {kill.point}", lambda: cloud.fired(kill.point))
    ends = "in-use" if what in ("attach", "create", "extend") else "available"
    cloud.wait(
        f"volume {volume_id} {ends}", lambda: _is_over(cloud, volume_id, made or server_id, ends),
        told=lambda: [cloud.operations(each) for each in (volume_id, made or server_id) if each],
    )  # fmt: skip
    cloud.wait("one file", lambda: len(_files(cloud, volume_id)) == (what != LOST))
    cloud.wait("no more exports than disks", lambda: len(_exports(cloud)) == (ends == "in-use"))
    cloud.wait_sound(str(kill))
    assert cloud.supervisor.deaths.total() == deaths + 1, "one process died, once"
    _put_away(cloud, volume_id, server_id, made)
    cloud.wait("no exports", lambda: not _exports(cloud))
    survived(f"kills of {kill.point.partition(':')[0]}")


def _given(cloud: FaultCloud, what: str) -> tuple[str, str]:
    """A volume and, where it is to be a disk of one that is there, a server."""
    if all(each["name"] != TYPE for each in _call(cloud, "GET", "types")["volume_types"]):
        specs = {"volume_backend_name": "nbd"}
        _call(cloud, "POST", "types", {"volume_type": {"name": TYPE, "extra_specs": specs}})
    made = _call(cloud, "POST", "volumes", {"volume": {"size": 1, "volume_type": TYPE}})["volume"]["id"]
    cloud.wait("a volume", lambda: _status(cloud, made) == "available")
    if what not in ("attach", "detach", "extend"):
        return made, ""
    server_id = next(iter(cloud.named(SERVER)), "") or cloud.create(SERVER)
    cloud.wait_rest([server_id])
    if what != "attach":
        _attach(cloud, server_id, made)
        cloud.wait("a disk", lambda: _status(cloud, made) == "in-use")
    return made, server_id


def _ask(cloud: FaultCloud, what: str, volume_id: str, server_id: str) -> str:
    """The server that is made, if one is."""
    match what:
        case "attach":
            _attach(cloud, server_id, volume_id)
        case "detach":
            cloud.call("DELETE", f"/compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
        case "extend":
            _call(cloud, "POST", f"volumes/{volume_id}/action", {"os-extend": {"new_size": 2}})
        case "create":
            return cloud.create(f"made-{time.monotonic_ns()}", with_volume=volume_id)
        case _:
            here = str(_show(cloud, volume_id)["os-vol-host-attr:host"]).partition("@")[0]
            other = next(name for name in ("n1", "n2") if name != here)
            _call(cloud, "POST", f"volumes/{volume_id}/action", {"os-migrate_volume": {"host": f"{other}@nbd"}})
    return ""


def _attach(cloud: FaultCloud, server_id: str, volume_id: str) -> None:
    body = {"volumeAttachment": {"volumeId": volume_id}}
    cloud.call("POST", f"/compute/v2.1/servers/{server_id}/os-volume_attachments", body)


def _is_over(cloud: FaultCloud, volume_id: str, server_id: str, ends: str) -> bool:
    return all(cloud.at_rest(each) for each in (volume_id, server_id) if each) and _status(cloud, volume_id) == ends


def _call(cloud: FaultCloud, method: str, path: str, body: Any = None) -> Any:
    return cloud.call(method, f"/volume/v3/{path}", body, version=NEWEST)


def _show(cloud: FaultCloud, volume_id: str) -> dict[str, Any]:
    return dict(_call(cloud, "GET", f"volumes/{volume_id}")["volume"])


def _status(cloud: FaultCloud, volume_id: str) -> str:
    """ "" when it is gone."""
    try:
        return str(_show(cloud, volume_id)["status"])
    except Refused as err:
        if err.status != 404:
            raise
        return ""
    except requests.ConnectionError:
        return "nobody answers"


def _files(cloud: FaultCloud, volume_id: str) -> list[Any]:
    return list(cloud.folder.glob(f"n?/volumes/{volume_id}*"))


def _exports(cloud: FaultCloud) -> list[Any]:
    return list(cloud.folder.glob("n?/volumes-served/exports/*"))


def _put_away(cloud: FaultCloud, volume_id: str, server_id: str, made: str) -> None:
    if made:
        cloud.delete(made)
    elif _status(cloud, volume_id) == "in-use":
        cloud.call("DELETE", f"/compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
    cloud.wait("a free volume", lambda: _status(cloud, volume_id) == "available")
    _call(cloud, "DELETE", f"volumes/{volume_id}")
    cloud.wait("its end", lambda: _status(cloud, volume_id) == "")
