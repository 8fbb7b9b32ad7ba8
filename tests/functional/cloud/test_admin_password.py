"""The password of a new, rebuilt or rescued server: answered once, told the guest on its config drive, kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Operation
from common.rpc.compute_v1 import EnsureInstance, RebuildInstance
from compute_agent.instances import Instances
from tests.fixtures.cloud import Cloud

SECRET = "a secret of mine"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords of the commands that a node works on."""
    found: list[str] = []
    make = Instances._make

    def spying(self: Instances, task: Any, command: Any, undo: Any) -> Any:
        if isinstance(command, EnsureInstance | RebuildInstance):
            found.append(command.admin_password)
        return make(self, task, command, undo)

    monkeypatch.setattr(Instances, "_make", spying)
    return found


def rows(cloud: Cloud) -> str:
    with cloud.db.read() as session:
        return str([(row.params, row.results, row.sent) for row in session.scalars(sa.select(Operation))])


def test_the_config_drive_is_told_the_password_which_is_kept_nowhere(cloud: Cloud, told: list[str]) -> None:
    server_id = cloud.create(adminPass=SECRET, config_drive=True)
    before = rows(cloud)
    assert (SECRET in before, "sealed_admin_password" in before) == (False, True)
    cloud.run_until_idle()
    cloud.do(server_id, "rebuild", {"imageRef": cloud.image_id, "adminPass": f"{SECRET} again"})
    cloud.do(server_id, "rescue", {"adminPass": f"{SECRET} in need"})
    cloud.do(server_id, "unrescue")
    assert told == [SECRET, f"{SECRET} again", f"{SECRET} in need", ""]
    assert SECRET not in rows(cloud)
    assert "sealed_admin_password" not in rows(cloud)
    for path in cloud.node_of(server_id).state_dir.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_without_a_config_drive_nobody_is_told(cloud: Cloud, told: list[str]) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "rebuild", {"imageRef": cloud.image_id, "adminPass": SECRET})
    assert told == ["", ""]
