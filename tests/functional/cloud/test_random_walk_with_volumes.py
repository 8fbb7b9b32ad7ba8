"""The random walk of test_random_walk.py, with volumes: attached, detached, grown, copied and booted from.

After every step each attachment has a server that lives, a volume is in use exactly when it is attached, and guests have
exactly those disks; what is counted in quotas is recounted by the audit.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from common.db.models import Instance, Volume, VolumeAttachment
from common.states import ACTIONS, Action, VmState
from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud
from tests.functional.cloud.test_random_walk import ASKED, MOST_SERVERS, Walk, body_of, walk
from tests.functional.cloud.test_volumes import VOLUME, attach, show, used
from tests.functional.cloud.test_volumes import act as act_on_volume

MOST_VOLUMES, MOST_GIB = 3, 3
WITH_DISKS = (VmState.ACTIVE, VmState.PAUSED, VmState.RESIZED)
SERVERS, VOLUMES = st.integers(0, MOST_SERVERS - 1), st.integers(0, MOST_VOLUMES - 1)
#: what a server that boots from a volume is refused, or does otherwise than test_random_walk.py knows
NOT_ON_VOLUME = ("backup", "rebuild", "image")
#: what moves a server is refused when its volumes can't follow
MOVES = (Action.RESIZE, Action.MIGRATE)


class VolumeWalk(Walk):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.volumes: list[str] = []

    def teardown(self) -> None:
        super().teardown()
        for snapshot in self.cloud.ok(self.cloud.api.get(f"{VOLUME}/snapshots"))["snapshots"]:
            self.cloud.ok(self.cloud.api.delete(f"{VOLUME}/snapshots/{snapshot['id']}"))
        self.cloud.run_until_idle()
        for volume in self.cloud.ok(self.cloud.api.get(f"{VOLUME}/volumes"))["volumes"]:
            self.cloud.ok(self.cloud.api.delete(f"{VOLUME}/volumes/{volume['id']}"))
        self.cloud.run_until_idle()
        self.cloud.assert_sound()
        assert used(self.cloud) == (0, 0, 0)

    @rule()
    def make_volume(self) -> None:
        if len(self.volumes) < MOST_VOLUMES:
            made = self.cloud.ok(self.cloud.api.post(f"{VOLUME}/volumes", json={"volume": {"size": 1}}))
            self.volumes.append(made["volume"]["id"])
            self.cloud.run_until_idle()
            assert show(self.cloud, self.volumes[-1])["status"] == "available"

    @rule(goes_too=st.booleans())
    def boot_from_volume(self, goes_too: bool) -> None:
        if len(self.servers) == MOST_SERVERS:
            return
        disk = {
            "source_type": "image", "destination_type": "volume", "uuid": self.cloud.image_id, "volume_size": 1,
            "boot_index": 0, "delete_on_termination": goes_too,
        }  # fmt: skip
        server = {"name": "web", "flavorRef": "c1.tiny", "networks": "auto", "block_device_mapping_v2": [disk]}
        reply = self.cloud.api.post(f"{COMPUTE}/servers", headers=NEWEST, json={"server": server})
        self.servers.append(self.cloud.ok(reply)["server"]["id"])
        self.cloud.run_until_idle()
        assert self.cloud.status(self.servers[-1]) == "ACTIVE"

    @rule(number=SERVERS, which=VOLUMES)
    def attach(self, number: int, which: int) -> None:
        if number >= len(self.servers) or which >= len(self.volumes):
            return
        before, volume = self.cloud.row(self.servers[number]), show(self.cloud, self.volumes[which])
        reply = attach(self.cloud, before.id, volume["id"])
        self.cloud.run_until_idle()
        status = show(self.cloud, volume["id"])["status"]
        can_be = VmState(before.vm_state) in ACTIONS[Action.ATTACH_VOLUME].allowed and not before.locked
        if reply.status_code >= 300:
            alone = can_be and volume["status"] == "available" and self._is_beside(before, volume["id"])
            assert not alone, f"attaching in {before.vm_state}: {reply.text}"
            assert status == volume["status"]
        else:
            assert (can_be, volume["status"], status) == (True, "available", "in-use"), before.vm_state

    def _is_beside(self, server: Instance, volume_id: str) -> bool:
        place = show(self.cloud, volume_id, "admin")["os-vol-host-attr:host"] or ""
        return place.split("@")[0] == server.node_name

    @rule(which=VOLUMES)
    def detach(self, which: int) -> None:
        if which >= len(self.volumes):
            return
        volume = show(self.cloud, self.volumes[which])
        for attachment in volume["attachments"]:
            before = self.cloud.row(attachment["server_id"])
            path = f"{COMPUTE}/servers/{before.id}/os-volume_attachments/{volume['id']}"
            reply = self.cloud.api.delete(path)
            self.cloud.run_until_idle()
            can_be = VmState(before.vm_state) in ACTIONS[Action.DETACH_VOLUME].allowed and not before.locked
            assert (reply.status_code < 300) == can_be, f"detaching in {before.vm_state}: {reply.text}"
            assert show(self.cloud, volume["id"])["status"] == ("available" if can_be else "in-use")

    @rule(which=VOLUMES)
    def grow(self, which: int) -> None:
        if which >= len(self.volumes):
            return
        volume = show(self.cloud, self.volumes[which])
        if volume["size"] == MOST_GIB:
            return
        reply = act_on_volume(self.cloud, volume["id"], "os-extend", new_size=volume["size"] + 1)
        self.cloud.run_until_idle()
        after = show(self.cloud, volume["id"])
        assert after["size"] == volume["size"] + (1 if reply.status_code < 300 else 0), reply.text
        assert after["status"] == volume["status"]
        if volume["status"] == "available":
            assert reply.status_code == 202, reply.text

    @rule(which=VOLUMES)
    def snapshot(self, which: int) -> None:
        if which >= len(self.volumes) or used(self.cloud)[1] > MOST_VOLUMES:
            return
        body = {"snapshot": {"volume_id": self.volumes[which], "force": True}}
        made = self.cloud.ok(self.cloud.api.post(f"{VOLUME}/snapshots", json=body))["snapshot"]
        self.cloud.run_until_idle()
        shown = self.cloud.ok(self.cloud.api.get(f"{VOLUME}/snapshots/{made['id']}"))["snapshot"]
        assert shown["status"] == "available"

    @rule()
    def delete_snapshot(self) -> None:
        for snapshot in self.cloud.ok(self.cloud.api.get(f"{VOLUME}/snapshots"))["snapshots"][:1]:
            self.cloud.ok(self.cloud.api.delete(f"{VOLUME}/snapshots/{snapshot['id']}"))
            self.cloud.run_until_idle()

    @rule(which=VOLUMES)
    def delete_volume(self, which: int) -> None:
        if which >= len(self.volumes):
            return
        volume_id = self.volumes[which]
        found = self.cloud.ok(self.cloud.api.get(f"{VOLUME}/snapshots", query_string={"volume_id": volume_id}))
        free = show(self.cloud, volume_id)["status"] == "available" and not found["snapshots"]
        reply = self.cloud.api.delete(f"{VOLUME}/volumes/{volume_id}")
        self.cloud.run_until_idle()
        assert reply.status_code == (202 if free else 400), reply.text
        if free:
            self.volumes.remove(volume_id)

    @rule(number=SERVERS, what=st.sampled_from(sorted(ASKED)))
    def act(self, number: int, what: str) -> None:
        if number >= len(self.servers):
            return
        row = self.cloud.row(self.servers[number])
        if row.image.get("volume_backed") and what in NOT_ON_VOLUME:
            return
        if self._attachments(row.id) and ASKED[what][2] in MOVES:
            self._move(row, what)
        else:
            super().act(number, what)

    def _move(self, before: Instance, what: str) -> None:
        """Where its volumes can't follow it is refused, or ends where it was."""
        name, persona, action = ASKED[what]
        reply = self.cloud.act(before.id, name, body_of(what, before, self.cloud), persona)
        self.cloud.run_until_idle()
        after = self.cloud.row(before.id).vm_state
        assert after in ({before.vm_state} if reply.status_code >= 300 else {before.vm_state, ACTIONS[action].leads_to})

    def _attachments(self, server_id: str) -> list[VolumeAttachment]:
        mine = (VolumeAttachment.instance_id == server_id, VolumeAttachment.deleted.is_(False))
        with self.cloud.db.read() as session:
            return list(session.scalars(sa.select(VolumeAttachment).where(*mine)))

    @invariant()
    def volumes_add_up(self) -> None:
        living = {each: self.cloud.row(each) for each in self.servers}
        with self.cloud.db.read() as session:
            attachments = list(session.scalars(sa.select(VolumeAttachment).where(VolumeAttachment.deleted.is_(False))))
            rows = list(session.scalars(sa.select(Volume).where(Volume.deleted.is_(False))))
        assert {each.instance_id for each in attachments} <= set(living)
        attached = {each.volume_id for each in attachments}
        assert {row.id for row in rows if row.status == "in-use"} == attached
        for server_id, row in living.items():
            if row.vm_state not in WITH_DISKS:
                continue
            domain: dict[str, Any] = self.cloud.node_of(server_id).domains()[server_id]
            disks = {name for name in domain["devices"] if name.startswith("vd")}
            wanted = {
                each.device for each in attachments if each.instance_id == server_id
            }  # fake guests have none of their own
            assert disks == wanted, f"{row.vm_state} server has {disks}, not {wanted}"


def test_a_short_walk_with_volumes(cloud: Cloud) -> None:
    walk(cloud, examples=2, steps=10, machine=VolumeWalk)


@pytest.mark.full
def test_long_walks_with_volumes(cloud: Cloud) -> None:
    walk(cloud, examples=40, steps=40, machine=VolumeWalk)
