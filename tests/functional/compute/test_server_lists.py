"""Lists of servers: filters, order, pages, rights, and a number of statements that doesn't grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Instance, Volume, VolumeAttachment
from common.db.patterns import to_like
from common.errors import InvalidRequest
from common.ids import new_id
from common.states import VmState
from tests.functional.compute.conftest import NEWEST, URL, Cloud, add_network, version


def names(cloud: Cloud, as_: str = "demo", path: str = "/servers", text: str = "2.104", **query: Any) -> list[str]:
    reply = cloud.api.get(f"{URL}{path}", as_, headers=version(text), query_string=query)
    assert reply.status_code == 200, reply.text
    return [row["name"] for row in reply.json["servers"]]


def status(cloud: Cloud, as_: str = "demo", text: str = "2.104", **query: Any) -> int:
    return cloud.api.get(f"{URL}/servers", as_, headers=version(text), query_string=query).status_code


@pytest.fixture
def three(cloud: Cloud) -> dict[str, str]:
    """alpha is active, beta shut off, gamma in ERROR and tagged; made in this order."""
    ids = {name: cloud.active(name=name, tags=[name, 'say "b"']) for name in ("alpha", "beta", "gamma")}
    cloud.settle(ids["beta"], VmState.STOPPED)
    cloud.settle(
        ids["gamma"], VmState.ERROR, fault={"code": "x", "message": "no room", "detail": "node1 lost", "at": ""}
    )
    return ids


def test_filters(database_url: str, cloud: Cloud, three: dict[str, str]) -> None:
    address = cloud.show(three["alpha"])["addresses"]["private"][0]["addr"]
    assert names(cloud) == ["gamma", "beta", "alpha"]
    assert names(cloud, name="a$") == ["gamma", "beta", "alpha"]
    assert names(cloud, name="^ALP") == ["alpha"]
    assert names(cloud, name="a.*m") == ["gamma"]
    assert names(cloud, name="%") == []
    assert names(cloud, status="SHUTOFF") == ["beta"]
    assert names(cloud, status=["active", "ERROR"]) == ["gamma", "alpha"]
    assert names(cloud, text="2.37", status="NONSENSE") == []
    assert status(cloud, text="2.38", status="NONSENSE") == 400
    assert names(cloud, image=cloud.image_id, flavor=cloud.flavor_id) == ["gamma", "beta", "alpha"]
    assert names(cloud, flavor="other") == []
    assert names(cloud, ip=f"^{address}$") == ["alpha"]
    assert names(cloud, ip6="fe80") == []
    assert names(cloud, tags="alpha") == ["alpha"]
    assert names(cloud, **{"tags-any": "alpha,beta"}) == ["beta", "alpha"]
    assert names(cloud, **{"not-tags": "gamma"}) == ["beta", "alpha"]
    assert names(cloud, **{"not-tags-any": "alpha,beta"}) == ["gamma"]
    assert names(cloud, tags='b"') == []  # a tag is compared as a whole


#: name, value that names alpha alone, a value that names none, and since when everybody may filter by it ("": never)
BY_COLUMN = (
    ("access_ip_v4", "192.0.2.7", "192.0.2.8", ""),
    ("access_ip_v6", "2001:db8::7", "2001:db8::8", ""),
    ("auto_disk_config", "auto", "", ""),
    ("availability_zone", "east", "west", "2.83"),
    ("config_drive", "true", "", "2.83"),
    ("created_at", "2020-02-03T04:05:06Z", "2020-02-03T04:05:07Z", "2.83"),
    ("created_at", "2020-02-03", "2020-02-04", "2.83"),
    ("description", "the first", "the last", ""),
    ("display_description", "first", "last", ""),
    ("display_name", "alp", "omega", "2.1"),
    ("host", "node7", "node8", ""),
    ("hostname", "^al", "^om", "2.90"),
    ("key_name", "mine", "theirs", "2.83"),
    ("launch_index", "3", "4", ""),
    ("launched_at", "2020-02-03T05:05:07+01:00", "2020-02-03T05:05:07Z", "2.83"),
    ("locked", "yes", "", "2.73"),
    ("locked_by", "owner", "admin", ""),
    ("node", "node7", "node8", ""),
    ("power_state", "3", "6", "2.83"),
    ("progress", "7", "8", "2.83"),
    ("reservation_id", "r-alpha", "r-omega", "2.1"),
    ("root_device_name", "/dev/sdq", "/dev/vdb", ""),
    ("task_state", "pausing", "unpausing", "2.83"),
    ("terminated_at", "2020-02-03T04:05:08", "2020-02-04", "2.83"),
    ("user_id", "somebody", "nobody", "2.83"),
    ("vm_state", "paused", "rescued", "2.83"),
)


def test_filters_by_column_and_who_may_use_them(database_url: str, cloud: Cloud, three: dict[str, str]) -> None:
    """Whoever may not is answered as if it had not been asked."""
    at = datetime(2020, 2, 3, 4, 5, 6, 500_000, UTC)
    change(
        cloud, three["alpha"], access_ip_v4="192.0.2.7", access_ip_v6="2001:db8::7", disk_config="AUTO",
        availability_zone="east", config_drive=True, created_at=at, description="the first one", node_name="node7",
        hostname="alpha", key_name="mine", launch_index=3, launched_at=at + timedelta(seconds=1), locked=True,
        locked_by="owner", power_state=3, progress=7, reservation_id="r-alpha", task_state="pausing",
        terminated_at=at + timedelta(seconds=2), user_id="somebody", vm_state="paused",
    )  # fmt: skip
    boot_from(cloud, three["alpha"], "sdq")
    everything, wrong = names(cloud), []
    for name, alphas, nobodys, since in BY_COLUMN:
        found = [names(cloud, "admin", all_tenants=1, **{name: alphas})]
        found += [names(cloud, "admin", all_tenants=1, **{name: nobodys})] if nobodys else [[]]
        newest = names(cloud, **{name: alphas})
        before = names(cloud, text=f"2.{int(since[2:]) - 1}", **{name: alphas}) if since > "2.2" else everything
        expected = [["alpha"], [], ["alpha"] if since else everything, everything]
        if [*found, newest, before] != expected:
            wrong.append((name, *found, newest, before))
    assert wrong == []


def test_filters_by_what_no_server_has_here(database_url: str, cloud: Cloud, three: dict[str, str]) -> None:
    for name in ("kernel_id", "ramdisk_id"):
        assert names(cloud, "admin", all_tenants=1, **{name: cloud.image_id}) == [], name
        assert names(cloud, **{name: cloud.image_id}) == ["gamma", "beta", "alpha"], name
    assert status(cloud, "admin", metadata="x") == 400
    assert names(cloud, metadata="x") == ["gamma", "beta", "alpha"]
    assert status(cloud, created_at="yesterday") == 400


def test_soft_deleted_servers(database_url: str, cloud: Cloud, three: dict[str, str]) -> None:
    change(cloud, three["alpha"], vm_state="soft-delete")
    change(cloud, three["beta"], vm_state="deleted", deleted=True)
    for query, expected in (
        ({}, ["gamma"]), ({"soft_deleted": True}, ["gamma", "alpha"]), ({"deleted": True}, ["beta", "alpha"]),
        ({"deleted": True, "soft_deleted": False}, ["beta"]),
    ):  # fmt: skip
        assert names(cloud, "admin", all_tenants=1, **query) == expected, query
        assert names(cloud, **query) == ["gamma"], query


def change(cloud: Cloud, server_id: str, **values: Any) -> None:
    with cloud.services.db.write() as session:
        session.execute(sa.update(Instance).where(Instance.id == server_id).values(**values))


def boot_from(cloud: Cloud, server_id: str, device: str) -> None:
    """Give a server a volume as its first disk."""
    now, project_id = cloud.services.clock.now(), cloud.api.project_id("demo")
    with cloud.services.db.write() as session:
        volume = Volume(
            id=new_id(), project_id=project_id, user_id="", size_gib=1, status="in-use", created_at=now, updated_at=now
        )
        session.add(volume)
        session.flush()
        session.add(
            VolumeAttachment(
                id=new_id(), volume_id=volume.id, project_id=project_id, instance_id=server_id, status="attached",
                device=device, boot_index=0, created_at=now, updated_at=now,
            )
        )  # fmt: skip


def test_order_and_pages(database_url: str, cloud: Cloud, three: dict[str, str]) -> None:
    assert names(cloud, sort_key="display_name", sort_dir="asc") == ["alpha", "beta", "gamma"]
    assert names(cloud, sort_key="display_name") == ["gamma", "beta", "alpha"]
    query = {"limit": 2, "sort_key": "display_name", "sort_dir": "asc"}
    reply = cloud.api.get(f"{URL}/servers/detail", headers=NEWEST, query_string=query)
    link = reply.json["servers_links"][0]
    assert (link["rel"], f"marker={three['beta']}" in link["href"]) == ("next", True)
    rest = cloud.api.get(link["href"].removeprefix("http://localhost"), headers=NEWEST).json
    assert [row["name"] for row in rest["servers"]] == ["gamma"]
    assert "servers_links" not in rest
    assert status(cloud, marker="nothing") == 400
    assert status(cloud, "other", marker=three["beta"]) == 400
    for bad in ({"limit": "x"}, {"limit": "-1"}, {"sort_key": "user_datum"}, {"sort_key": "name", "sort_dir": "up"}):
        assert status(cloud, **bad) == 400
    assert status(cloud, sort_key="host") == 403
    assert (status(cloud, sort_key="vcpus"), status(cloud, text="2.74", sort_key="vcpus")) == (400, 200)
    assert status(cloud, sort_key="kernel_id") == 200  # ignored
    assert status(cloud, sort_key="1; DROP TABLE instances") == 400


def test_who_may_list_what(cloud: Cloud, three: dict[str, str]) -> None:
    assert names(cloud, "other") == []
    assert names(cloud, "reader") == ["gamma", "beta", "alpha"]
    assert names(cloud, "admin") == []
    assert names(cloud, "admin", all_tenants=1) == ["gamma", "beta", "alpha"]
    assert names(cloud, "admin", all_tenants="", project_id=cloud.api.project_id("other")) == []
    assert names(cloud, "admin", all_tenants=True, host="node1", status="ACTIVE") == ["alpha"]
    assert names(cloud, "system") == []
    assert status(cloud, "other", all_tenants=1) == 403
    assert status(cloud, "other", all_tenants="maybe") == 400
    assert names(cloud, "other", project_id=cloud.api.project_id("demo")) == []
    assert names(cloud, host="elsewhere") == ["gamma", "beta", "alpha"]  # not a tenant's filter: dropped
    assert status(cloud, status="DELETED") == 403
    assert names(cloud, deleted=True) == ["gamma", "beta", "alpha"]


def test_unknown_parameters_are_refused_since_2_75(cloud: Cloud) -> None:
    assert status(cloud, text="2.74", colour="red") == 200
    assert status(cloud, text="2.75", colour="red") == 400
    assert status(cloud, text="2.1", __class__="x") == 400


def test_changes_and_deleted(cloud: Cloud, three: dict[str, str]) -> None:
    later = (cloud.services.clock.now() + timedelta(hours=1)).isoformat()
    with cloud.services.db.write() as session:
        session.execute(
            sa.update(Instance).where(Instance.id == three["beta"]).values(deleted=True, vm_state="deleted")
        )
    assert names(cloud) == ["gamma", "alpha"]
    assert names(cloud, **{"changes-since": "2020-01-01T00:00:00Z"}) == ["gamma", "beta", "alpha"]
    assert names(cloud, **{"changes-since": later}) == []
    assert names(cloud, **{"changes-before": later}) == ["gamma", "beta", "alpha"]
    assert names(cloud, text="2.65", **{"changes-before": "2020-01-01"}) == ["gamma", "alpha"]  # unknown then
    assert status(cloud, **{"changes-since": "yesterday"}) == 400
    assert status(cloud, **{"changes-since": later, "changes-before": "2020-01-01T00:00:00Z"}) == 400
    assert names(cloud, "admin", all_tenants=1, status="DELETED") == ["beta"]
    assert names(cloud, "admin", all_tenants=1, deleted=True) == ["beta"]
    shown = cloud.api.get(
        f"{URL}/servers/detail", "admin", headers=NEWEST, query_string={"all_tenants": 1, "deleted": 1}
    )
    assert shown.json["servers"][0]["status"] == "DELETED"


def test_faults_tell_tenants_less(cloud: Cloud, three: dict[str, str]) -> None:
    mine, theirs = cloud.show(three["gamma"])["fault"], cloud.show(three["gamma"], "admin")["fault"]
    assert (mine["code"], mine["message"], "details" in mine) == (500, "no room", False)
    assert theirs["details"] == "node1 lost"
    assert "fault" not in cloud.show(three["alpha"])


def test_what_only_administrators_see(cloud: Cloud, three: dict[str, str]) -> None:
    mine, theirs = cloud.show(three["alpha"]), cloud.show(three["alpha"], "admin")
    extra = set(theirs) - set(mine)
    assert extra == {
        "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "host_status",
        "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:launch_index",
        "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:root_device_name",
        "OS-EXT-SRV-ATTR:user_data",
    }  # fmt: skip
    assert theirs["OS-EXT-SRV-ATTR:host"] == "node1"
    assert len(mine["hostId"]) == 56


def test_statements_per_list_do_not_grow(cloud: Cloud, three: dict[str, str]) -> None:
    def statements(**query: Any) -> int:
        before = cloud.services.db.statements
        names(cloud, path="/servers/detail", **query)
        return cloud.services.db.statements - before

    names(cloud)
    assert statements(limit=1) == statements(limit=3) <= 10
    before = cloud.services.db.statements
    names(cloud)
    assert cloud.services.db.statements - before <= 6


def test_text_filters_never_run_a_tenants_program(cloud: Cloud, three: dict[str, str]) -> None:
    for evil in ("(a+)+$", "a{1,9999}", "[[:alpha:]]*", "x|y", "\\d+", "a" * 256, "%a" * 120 + ".*" * 9, "*"):
        assert status(cloud, name=evil) == 400, evil
    assert status(cloud, ip="(.*)*") == 400
    assert to_like("a.b_c%") == "%a_b\\_c\\%%"
    assert to_like("^x\\.y$") == "x.y"
    assert to_like("a.*.*b") == "%a%b%"
    with pytest.raises(InvalidRequest):
        to_like(".*a" * 9)


def test_old_forms(cloud: Cloud, three: dict[str, str]) -> None:
    with cloud.services.db.write() as session:
        add_network(session, cloud.services.clock.now(), cloud.api.project_id("demo"), "more", "10.8.0.0/24")
    first = cloud.show(three["alpha"], microversion="2.1")
    assert not {"locked", "description", "tags", "locked_reason", "server_groups"} & set(first)
    assert set(first["flavor"]) == {"id", "links"}
    assert "locked" in cloud.show(three["alpha"], microversion="2.9")
    put = cloud.api.put(f"{URL}/servers/{three['alpha']}", headers=version("2.74"), json={"server": {"name": "a2"}})
    assert "key_name" not in put.json["server"]
    assert "OS-EXT-IPS:type" not in put.json["server"]["addresses"]["private"][0]
    put = cloud.api.put(f"{URL}/servers/{three['alpha']}", headers=NEWEST, json={"server": {"name": "a3"}})
    assert set(put.json["server"]) == set(cloud.show(three["alpha"]))
