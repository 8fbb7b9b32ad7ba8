"""Which flows a change concerns, and which of them may stay."""

from __future__ import annotations

import ipaddress

import pytest

from common.rpc.compute_v1 import GroupMembers, PortSpec
from compute_agent.networking import plan
from compute_agent.networking.flows import Judge, TrackedFlow, narrowed
from tests.unit.networking.samples import egress, ingress, network, port

SSH, WEB = (ingress(protocol="tcp", port_min=each, port_max=each) for each in (22, 80))
MEMBER = ingress(remote_group="group-1")


def planned(*ports: PortSpec, members: tuple[str, ...] = ()) -> plan.FilterPlan:
    indices = {each.id: number for number, each in enumerate(ports, start=1)}
    groups = [GroupMembers(id="group-1", addresses=list(members))]
    return plan.build([network()], ports, groups, indices=indices, zones={})


def concerned(before: plan.FilterPlan, after: plan.FilterPlan) -> set[str]:
    return {str(address) for _, address in narrowed(before, after)}


def test_only_what_lost_something_is_looked_at() -> None:
    before = planned(port(3, rules=[SSH, WEB]), port(4, rules=[MEMBER]), port(5), members=("10.88.0.5", "10.88.0.3"))
    assert concerned(before, before) == set()
    wider = planned(
        port(3, rules=[SSH, WEB, egress()]), port(4, rules=[MEMBER]), port(5), members=("10.88.0.5", "10.88.0.3")
    )
    assert concerned(before, wider) == set()
    narrower = planned(port(3, rules=[SSH]), port(4, rules=[MEMBER]), members=("10.88.0.5",))
    assert concerned(before, narrower) == {"10.88.0.3", "10.88.0.4", "10.88.0.5"}
    closed = planned(port(3, rules=[SSH, WEB, ingress(protocol="x")]), port(4, rules=[MEMBER]), port(5),
                     members=("10.88.0.5", "10.88.0.3"))  # fmt: skip
    assert concerned(before, closed) == {"10.88.0.3"}


def flow(source: str, target: str, low: int) -> TrackedFlow:
    return TrackedFlow(
        zone=0, protocol=6, source=ipaddress.ip_address(source), target=ipaddress.ip_address(target), low=low, high=low,
        handle=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target", "low", "stays"),
    [
        ("10.88.0.4", "10.88.0.3", 22, True),
        ("10.88.0.4", "10.88.0.3", 80, False),
        ("192.0.2.9", "10.88.0.3", 22, True),
        ("10.88.0.3", "192.0.2.9", 22, False),  # port 3 has no egress rule
        ("10.88.0.4", "192.0.2.9", 443, True),
        ("10.88.0.3", "10.88.0.2", 53, True),  # the network's own DNS
        ("10.88.0.3", "169.254.169.254", 80, True),
        ("192.0.2.1", "192.0.2.2", 80, True),  # nobody's
    ],
)
def test_flow_stays_if_its_first_packet_would_pass(source: str, target: str, low: int, stays: bool) -> None:
    judge = Judge(planned(port(3, rules=[SSH]), port(4, rules=[egress()])))
    assert judge.permits(flow(source, target, low)) == stays
