"""Logged ports get chains of their own that log before the verdict; what the kernel hands back is read without fault."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.clock import SystemClock
from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, PortLogs, PortSpec
from compute_agent.networking import filter_logs, filters, names, packet_log, plan
from tests.unit.networking.samples import network, port

LOG, OTHER = new_id(), new_id()
SSH = FilterRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_min=22, port_max=22)
OUT = FilterRule(direction="egress", ethertype="IPv4")


def chains(*ports: PortSpec) -> dict[str, list[list[dict[str, Any]]]]:
    indices = {each.id: number for number, each in enumerate(ports, start=1)}
    made = plan.build([network()], list(ports), [], indices=indices, zones={})
    table = next(each for each in filters.build(made) if each.name == filters.FILTER)
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for command in table.rules:
        rule = command["add"]["rule"]
        found.setdefault(rule["chain"], []).append(rule["expr"])
    return found


def test_accepted_and_dropped_packets_pass_a_log_on_the_way_to_their_verdict() -> None:
    heard = (LOG, OTHER)
    rule = msgspec.structs.replace(SSH, logs=heard)
    logged = port(3, rules=[rule, OUT], logs=PortLogs(project_id="p", dropped=[LOG]))
    found = chains(logged)
    ingress = found["ingress_logged_1"]
    assert ingress[0][-1] == {"accept": None}  # established: whoever logs has seen the flow's first packet
    assert ingress[-2][-1] == {"goto": {"target": "ingress_accepted_1_0"}}
    assert ingress[-1] == [{"goto": {"target": "ingress_dropped_1"}}]
    limit, log = found["ingress_accepted_1_0"][0]
    assert limit["limit"]["rate"] == filter_logs.RATE_PER_S
    both = ",".join(names.short(each) for each in sorted(heard))
    assert log["log"]["prefix"] == f"A i {names.short(logged.id)} {both}"
    assert found["ingress_accepted_1_0"][1] == [{"accept": None}]
    assert found["ingress_dropped_1"][1] == [{"drop": None}]
    assert found["egress_logged_1"][-2][-1] == {"goto": {"target": "target"}}  # this rule is nobody's to log


def test_ports_that_are_not_logged_keep_sharing_their_chains() -> None:
    found = chains(port(3, rules=[SSH]), port(4, rules=[SSH]))
    assert not [name for name in found if "logged" in name or "dropped" in name]
    assert len([name for name in found if name.startswith("ingress_")]) == 1


def test_a_prefix_has_room_for_the_most_logs_there_may_be() -> None:
    prefix = filter_logs.Prefix(True, "ingress", "0" * 8, ("f" * 8,) * filter_logs.MAX_LOGS)
    assert len(prefix.text()) <= 127
    assert filter_logs.parse(prefix.text()) == prefix


def test_packets_are_described() -> None:
    tcp = struct.pack("!BBHHHBBH4s4sHH", 0x45, 0, 60, 1, 0, 64, 6, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), 5, 22)
    assert packet_log.describe(tcp) == {
        "protocol": "tcp", "source": "10.0.0.1", "destination": "10.0.0.2", "length": 60, "source_port": 5,
        "destination_port": 22,
    }  # fmt: skip
    ping = struct.pack("!IHBB16s16sBB", 0x60000000, 8, 58, 64, bytes(15) + b"\1", bytes(15) + b"\2", 128, 0)
    found = packet_log.describe(ping)
    assert (found["protocol"], found["source"], found["type"], found["length"]) == ("icmpv6", "::1", 128, 48)


@pytest.mark.parametrize("data", [b"", b"\0" * 16, b"\xff" * 40, struct.pack("=IHHII", 4, 1024, 0, 0, 0)])
def test_what_is_no_packet_is_passed_over(data: bytes) -> None:
    assert list(packet_log.packets(data)) == []
    with pytest.raises((ValueError, IndexError, struct.error)):
        packet_log.describe(data[:10])


def test_a_log_whose_socket_failed_is_begun_anew(tmp_path: Path) -> None:
    ours: list[socket.socket] = []

    def source() -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(0.05)
        ours.append(far)
        return near

    log = packet_log.PacketLog(tmp_path / "packets.log", SystemClock(), source)
    logged = port(3, rules=[SSH, OUT], logs=PortLogs(project_id="p", dropped=[LOG]))
    log.follow([logged])
    first = log._listening
    assert first is not None
    log.follow([logged])
    assert log._listening is first, "one that listens stays"
    first._source.shutdown(socket.SHUT_RDWR)
    first._source.close()  # as a descriptor that the kernel took away
    first._thread.join(10)
    log.follow([logged])
    assert log._listening is not first
    assert log._listening is not None
    assert log._listening.alive()
    log.close()
    for end in ours:
        end.close()
