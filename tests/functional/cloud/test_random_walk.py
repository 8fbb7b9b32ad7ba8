"""Random walks over all actions on a whole cloud: each is taken or refused as the state table says, and all adds up after.

Hypothesis chooses the steps and, when something is wrong, finds the shortest way there. Nothing fails here but for want of
room; what failures lead to is tests/sagas' and test_faults.py's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from api.app import create_app
from common.db.models import Instance
from common.states import ACTIONS, RESETS, Action, VmState
from tests.fixtures.api import ApiClient
from tests.fixtures.cloud import COMPUTE, Cloud
from tests.functional.cloud.test_resize import configure

#: (the API's name, who asks, the table's row)
ASKED: dict[str, tuple[str, str, Action]] = {
    "start": ("os-start", "demo", Action.START), "stop": ("os-stop", "demo", Action.STOP),
    "soft reboot": ("reboot", "demo", Action.REBOOT), "hard reboot": ("reboot", "demo", Action.REBOOT_HARD),
    "pause": ("pause", "demo", Action.PAUSE), "unpause": ("unpause", "demo", Action.UNPAUSE),
    "suspend": ("suspend", "demo", Action.SUSPEND), "resume": ("resume", "demo", Action.RESUME),
    "rebuild": ("rebuild", "demo", Action.REBUILD), "image": ("createImage", "demo", Action.CREATE_IMAGE),
    "backup": ("createBackup", "demo", Action.CREATE_BACKUP), "shelve": ("shelve", "demo", Action.SHELVE),
    "unshelve": ("unshelve", "demo", Action.UNSHELVE), "resize": ("resize", "demo", Action.RESIZE),
    "migrate": ("migrate", "admin", Action.MIGRATE), "confirm": ("confirmResize", "demo", Action.CONFIRM_RESIZE),
    "revert": ("revertResize", "demo", Action.REVERT_RESIZE), "rescue": ("rescue", "demo", Action.RESCUE),
    "unrescue": ("unrescue", "demo", Action.UNRESCUE), "restore": ("restore", "demo", Action.RESTORE),
}  # fmt: skip
#: what may find no room, and then leaves the server where it was
NEEDS_ROOM = (Action.RESIZE, Action.MIGRATE, Action.UNSHELVE)
MOST_SERVERS, MOST_CARDS = 3, 3


class Walk(RuleBasedStateMachine):
    """Servers are named by the order in which they were made, so that a walk can be shortened."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self.cloud = cloud
        self.servers: list[str] = []

    def teardown(self) -> None:
        for server_id in self.servers:
            self.cloud.ok(self.cloud.act(server_id, "forceDelete", None, "admin"))
        self.cloud.run_until_idle()
        self.cloud.assert_sound()
        assert self.cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}

    @rule(flavor=st.sampled_from(["c1.tiny", "c1.large"]))
    def create(self, flavor: str) -> None:
        if len(self.servers) < MOST_SERVERS:
            self.servers.append(self.cloud.create(flavorRef=flavor))
            self.cloud.run_until_idle()

    @rule(number=st.integers(0, MOST_SERVERS - 1), what=st.sampled_from(sorted(ASKED)))
    def act(self, number: int, what: str) -> None:
        if number >= len(self.servers):
            return
        name, persona, action = ASKED[what]
        server_id = self.servers[number]
        before = self.cloud.row(server_id)
        reply = self.cloud.act(server_id, name, body_of(what, before, self.cloud), persona)
        self.cloud.run_until_idle()
        after = VmState(self.cloud.row(server_id).vm_state)
        if not allows(before, action) or (before.locked and persona == "demo"):
            assert (reply.status_code, after) == (409, before.vm_state), f"{what} in {before.vm_state}: {reply.text}"
            return
        assert reply.status_code < 300, f"{what} in {before.vm_state}: {reply.text}"
        ends = {ACTIONS[action].leads_to or before.vm_state, *ACTIONS[action].also_leads_to}
        if action == Action.SHELVE:
            ends = {VmState.SHELVED_OFFLOADED}
        assert after in (*ends, *([before.vm_state] if action in NEEDS_ROOM else [])), f"{what} in {before.vm_state}"

    @rule(number=st.integers(0, MOST_SERVERS - 1), comes=st.booleans())
    def card(self, number: int, comes: bool) -> None:
        """One more card in the network, or the newest one away."""
        if number >= len(self.servers):
            return
        before = self.cloud.row(self.servers[number])
        path = f"{COMPUTE}/servers/{before.id}/os-interface"
        cards = [each["port_id"] for each in self.cloud.ok(self.cloud.api.get(path))["interfaceAttachments"]]
        if len(cards) == (MOST_CARDS if comes else 0):
            return
        body = {"interfaceAttachment": {"net_id": self.cloud.network_id}}
        reply = self.cloud.api.post(path, json=body) if comes else self.cloud.api.delete(f"{path}/{cards[-1]}")
        self.cloud.run_until_idle()
        left = len(self.cloud.ok(self.cloud.api.get(path))["interfaceAttachments"])
        allowed = VmState(before.vm_state) in ACTIONS[Action.ATTACH_INTERFACE].allowed and not before.locked
        assert (reply.status_code < 300) == allowed, f"a card in {before.vm_state}: {reply.text}"
        assert left == len(cards) + ((1 if comes else -1) if allowed else 0)

    @rule(number=st.integers(0, MOST_SERVERS - 1), what=st.sampled_from(["lock", "unlock"]))
    def lock(self, number: int, what: str) -> None:
        if number < len(self.servers):
            assert self.cloud.act(self.servers[number], what).status_code == 202
            assert self.cloud.row(self.servers[number]).locked == (what == "lock")

    @rule(number=st.integers(0, MOST_SERVERS - 1), to=st.sampled_from(["active", "error"]))
    def reset(self, number: int, to: str) -> None:
        if number >= len(self.servers):
            return
        before = self.cloud.row(self.servers[number])
        reply = self.cloud.act(before.id, "os-resetState", {"state": to}, "admin")
        after = VmState(self.cloud.row(before.id).vm_state)
        if reply.status_code == 409:
            assert after == before.vm_state
        else:
            assert after in RESETS[VmState(before.vm_state)]

    @rule(number=st.integers(0, MOST_SERVERS - 1))
    def delete(self, number: int) -> None:
        if number >= len(self.servers):
            return
        server_id = self.servers[number]
        before = self.cloud.row(server_id)
        reply = self.cloud.api.delete(f"{COMPUTE}/servers/{server_id}")
        self.cloud.run_until_idle()
        row = self.cloud.row(server_id)
        if before.locked:
            assert (reply.status_code, row.vm_state) == (409, before.vm_state)
            return
        assert reply.status_code == 204, reply.text
        assert row.vm_state in (VmState.SOFT_DELETED, VmState.DELETED)
        if row.vm_state == VmState.DELETED:
            self.servers.remove(server_id)

    @invariant()
    def everything_adds_up(self) -> None:
        self.cloud.assert_sound()


def body_of(what: str, server: Instance, cloud: Cloud) -> Any:
    if what == "resize":
        return {"flavorRef": "c1.tiny" if server.flavor_id == "c1.large" else "c1.large"}
    bodies: dict[str, Any] = {
        "soft reboot": {"type": "SOFT"}, "hard reboot": {"type": "HARD"}, "rebuild": {"imageRef": cloud.image_id},
        "image": {"name": "snap"}, "backup": {"name": "back", "backup_type": "daily", "rotation": 1},
    }  # fmt: skip
    return bodies.get(what)


def allows(server: Instance, action: Action) -> bool:
    half_done = server.vm_state == VmState.ERROR and (server.resize or server.rescue)
    return VmState(server.vm_state) in ACTIONS[action].allowed and not half_done


def walk(cloud: Cloud, examples: int, steps: int, machine: type[Walk] = Walk) -> None:
    configure(cloud, reclaim_deleted_after_s=600)
    cloud.services = replace(cloud.services, config=cloud.config)
    cloud.api = ApiClient(cloud.services, create_app(cloud.services))
    cloud.tolerated.add("domain")  # a server that was reset to another state than its guest's
    run_state_machine_as_test(
        lambda: machine(cloud),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
            derandomize=True, database=None,
        ),
    )  # fmt: skip


def test_a_short_walk(cloud: Cloud) -> None:
    walk(cloud, examples=3, steps=8)


@pytest.mark.full
def test_long_walks(cloud: Cloud) -> None:
    walk(cloud, examples=40, steps=40)
