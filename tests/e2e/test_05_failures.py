"""Killed services, servers that fit nowhere, strangers: nothing lost, nothing without a reason."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time

import openstack as sdk
import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud, note_time
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root]

RESTART_S = 60.0


@pytest.mark.one_node
def test_no_ping_is_lost_when_the_agent_is_killed(cloud: Cloud, first: Guest) -> None:
    qemu = cloud.qemu_pid(first.id)
    first.ssh("true")
    ping = subprocess.Popen(
        ["ping", "-i", "0.2", "-W", "5", first.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    begun = time.monotonic()
    former = cloud.kill("compute-agent")
    until(lambda: not cloud.healthy("compute-agent"), "the agent's end", deadline_s=10, every_s=0.02)
    until(
        lambda: cloud.pid("compute-agent") not in (0, former) and cloud.healthy("compute-agent"),
        "the agent's successor", deadline_s=RESTART_S,
    )  # fmt: skip
    note_time("a killed agent is back", time.monotonic() - begun)
    ping.send_signal(signal.SIGINT)
    output, _ = ping.communicate(timeout=20)
    answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", output)]
    sent = int(output.split(" packets transmitted")[0].split()[-1])
    assert len(answered) >= 5, output
    assert sorted(answered) == list(range(1, len(answered) + 1)), output
    assert sent - len(answered) <= 1, output  # the last may still be on its way when ping is interrupted
    assert cloud.qemu_pid(first.id) == qemu, "the guest was not adopted but started anew"
    assert first.ssh("timeout 10 wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4") == first.address


def test_a_boot_goes_on_when_the_scheduler_is_killed(cloud: Cloud) -> None:
    demo = cloud.sdk()
    made = demo.create_server(
        "survivor", image="cumulet-guest", flavor="c1.tiny", network="shared", key_name="demo", wait=False,
        auto_ip=False,
    )  # fmt: skip
    until(
        lambda: demo.compute.get_server(made.id).task_state == "spawning", "the node's turn", deadline_s=30,
        every_s=0.01,
    )  # fmt: skip
    former = cloud.kill("scheduler")
    server = e2e_guest.find(cloud, made.id)
    server.wait_for_status("ACTIVE", deadline_s=120)
    until(lambda: cloud.pid("scheduler") not in (0, former), "the scheduler's successor", deadline_s=RESTART_S)
    (operation,) = cloud.cumulet("operation", "list", "--resource", made.id, cloud="cumulet")
    assert operation["State"] == "done"  # its command may have been sent twice, if the node was slow to accept it
    made_once = [
        line["kind"] for line in cloud.events("compute-agent")
        if line["event"] == "command.ended" and line.get("instance_id") == made.id
    ]  # fmt: skip
    assert made_once == ["done"]
    demo.delete_server(made.id, wait=True, timeout=90)


def test_a_flavor_too_large_says_why(cloud: Cloud) -> None:
    """Of the project admin: test_a_strangers_server_is_not_there asks for it as demo."""
    openstack(
        cloud,
        words("flavor create --vcpus 1 --ram 128 --disk 1000000 huge"),
        words("server create --flavor huge --image cumulet-guest --network shared vast"),
        user="cumulet-admin",
    )
    admin = cloud.sdk("cumulet-admin")
    server = admin.compute.find_server("vast")
    until(lambda: admin.compute.get_server(server.id).status == "ERROR", "the verdict", deadline_s=30)
    fault = admin.compute.get_server(server.id).fault
    assert "No valid host was found" in fault["message"]
    why = cloud.cumulet("server", "why", server.id)
    refusal = why["refusals"][0]
    assert {each["node"] for each in why["refusals"]} == {each["Name"] for each in cloud.compute_nodes()}
    assert refusal["filter"] in {item["name"] for item in why["filters"] if item["refused"]}
    assert refusal["wanted"] == 1000000
    assert refusal["free"] < 1000000
    assert "disk" in refusal["reason"]
    assert why["chosen"] is None
    assert "disk" in why["nearest_fix"]
    assert why["nearest_fix"] in fault["details"]


def test_a_tenant_learns_why_but_not_of_nodes(cloud: Cloud) -> None:
    demo = cloud.sdk()
    made = demo.create_server("vast", image="cumulet-guest", flavor="huge", network="shared", wait=False, auto_ip=False)
    server = until(
        lambda: next((s for s in [demo.compute.get_server(made.id)] if s.status == "ERROR"), None),
        "the verdict", deadline_s=30,
    )  # fmt: skip
    why = cloud.cumulet("server", "why", made.id, cloud="cumulet")
    assert "disk" in why["refusals"][0]["reason"]
    assert why["nearest_fix"]
    for node in cloud.compute_nodes():
        for told in (json.dumps(why), str(server.fault)):
            assert node["Name"] not in told
    demo.delete_server(made.id, wait=True, timeout=60)


def test_a_strangers_server_is_not_there(cloud: Cloud) -> None:
    vast = cloud.sdk("cumulet-admin").compute.find_server("vast")
    shown, deleted = openstack(cloud, words(f"server show {vast.id}"), words(f"server delete {vast.id}"), refused=True)
    for answer in (shown, deleted):
        assert f"No Server found for {vast.id}" in answer.error
    with pytest.raises(sdk.exceptions.NotFoundException):
        cloud.sdk().compute.get_server(vast.id)
    cloud.sdk("cumulet-admin").delete_server(vast.id, wait=True, timeout=60)
    openstack(cloud, words("flavor delete huge"), user="cumulet-admin")
