"""The password of a new, rebuilt or rescued server: answered once, told the guest on its config drive, kept nowhere."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from common.db.models import Operation
from compute_agent.instances import Instances
from compute_agent.storage.none import NoStorage
from tests.fixtures.cloud import Cloud

SECRET = "a secret of mine"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that config drives are made with; no command shows one."""
    found: list[str] = []
    make, ensure = Instances._make, NoStorage.ensure

    def spying(self: Instances, task: Any, command: Any, undo: Any) -> Any:
        assert SECRET not in msgspec.json.encode(command).decode()
        return make(self, task, command, undo)

    def storing(self: NoStorage, spec: Any, measure: Any, *, admin_password: str = "") -> Any:
        found.append(admin_password)
        return ensure(self, spec, measure, admin_password=admin_password)

    monkeypatch.setattr(Instances, "_make", spying)
    monkeypatch.setattr(NoStorage, "ensure", storing)
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
