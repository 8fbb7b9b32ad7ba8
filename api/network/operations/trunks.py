"""What requests about trunks mean. Their subports are where the parent port is (common/db/trunk_bindings.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.problems import check_revision, invalid, neutron_quota
from api.request import ApiRequest
from common.db import (
    network_quota,
    network_state,
    network_tags,
    networks,
    port_lists,
    quotas,
    trunk_bindings,
    trunks,
)
from common.db.filters import Filters
from common.db.models import Port, Subport, Trunk
from common.db.paging import Page
from common.db.trunks import Carried
from common.db.upsert import insert
from common.errors import Conflict, InvalidRequest
from common.ids import new_id

VLAN_LOWEST, VLAN_HIGHEST = 1, 4094


@dataclass(frozen=True)
class ShownTrunk:
    trunk: Trunk
    carried: Sequence[Subport]


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownTrunk]:
    """All or none."""
    limits = network_quota.defaults(request.services.config.quota)

    def work(session: Session) -> list[ShownTrunk]:
        return _shown(session, [_create(session, request, body, limits) for body in bodies])

    with neutron_quota():
        return request.services.db.run(work)


def _create(session: Session, request: ApiRequest, body: dict[str, Any], limits: Mapping[str, int]) -> Trunk:
    quotas.take(session, body["project_id"], {"trunk": 1}, limits)
    carried = _asked(session, request, body.get("sub_ports") or [])
    parent = port_lists.get_visible(session, body["port_id"], request.context, lock=True)
    trunks.check_free(session, [parent.id])
    if parent.binding_node_id is not None:
        raise Conflict(
            f"Port {parent.id} is currently in use and is not eligible for use as a parent port.",
            neutron_type="ParentPortInUse",
        )
    now = request.services.clock.now()
    trunk = Trunk(
        id=new_id(),
        project_id=body["project_id"],
        name=body.get("name", ""),
        description=body.get("description", ""),
        port_id=parent.id,
        admin_state_up=body.get("admin_state_up", True),
        status="DOWN",
        revision_number=0,
        created_at=now,
        updated_at=now,
    )
    insert(session, trunk)
    _carry(session, request, trunk, parent, carried)
    return trunk


def _asked(session: Session, request: ApiRequest, sub_ports: Sequence[Mapping[str, Any]]) -> list[Carried]:
    """Raises InvalidRequest for ids out of range or named twice, NotFound for a port whose network's id is to be taken."""
    found: list[Carried] = []
    for each in sub_ports:
        kind, number = each.get("segmentation_type"), each.get("segmentation_id")
        if kind == "inherit":
            number = _inherited(session, request, each["port_id"])
            kind = "vlan"
        if kind is None or number is None:
            raise invalid("Invalid subport details: missing segmentation_type or segmentation_id.")
        if kind != "vlan":
            raise invalid(f"Invalid segmentation_type '{kind}': only 'vlan' is supported.")
        if not VLAN_LOWEST <= int(number) <= VLAN_HIGHEST:
            raise invalid(f"Invalid segmentation_id '{number}': it must be from {VLAN_LOWEST} to {VLAN_HIGHEST}.")
        found.append(Carried(each["port_id"], kind, int(number)))
    for values in ([each.port_id for each in found], [each.segmentation_id for each in found]):
        if len(set(values)) < len(values):
            raise InvalidRequest(
                "The request names a subport or a segmentation_id twice.", neutron_type="DuplicateSubPort"
            )
    return found


def _inherited(session: Session, request: ApiRequest, port_id: str) -> int:
    """The VLAN id that a port's network has."""
    port = port_lists.get_visible(session, port_id, request.context)
    network = networks.hold(session, port.network_id)
    if network.network_type != "vlan" or not network.vlan_id:
        raise invalid(
            f"Invalid segmentation_type 'inherit' of subport {port_id}: network {network.id} is no VLAN but "
            f"{network.network_type}."
        )
    return network.vlan_id


def _carry(session: Session, request: ApiRequest, trunk: Trunk, parent: Port, carried: Sequence[Carried]) -> None:
    """Raises NotFound, Conflict (a port in use, or whose network's packets are too large for the parent's)."""
    if carried:
        _check(session, request, trunk, parent, carried)
        trunks.add(session, trunk, carried)
    _follow(session, request, trunk)


def _follow(session: Session, request: ApiRequest, trunk: Trunk) -> None:
    concerned = trunk_bindings.follow(session, [trunk.port_id], request.services.clock.now())
    network_state.touch_for_networks(session, concerned.network_ids, also=concerned.node_ids)


def _check(session: Session, request: ApiRequest, trunk: Trunk, parent: Port, carried: Sequence[Carried]) -> None:
    ports = [port_lists.get_visible(session, each.port_id, request.context, lock=True) for each in carried]
    trunks.check_free(session, [port.id for port in ports])
    room = networks.hold(session, parent.network_id).mtu
    for port in ports:
        if port.binding_node_id is not None or port.device_id:
            raise Conflict(f"Port {port.id} is in use by another device.", neutron_type="PortInUse")
        mtu = networks.hold(session, port.network_id).mtu
        if mtu > room:
            raise Conflict(
                f"MTU {mtu} of subport {port.id} cannot be greater than MTU {room} of trunk {trunk.id}.",
                neutron_type="SubPortMtuGreaterThanTrunkPortMtu",
            )


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownTrunk]:
    with request.services.db.read() as session:
        return _shown(session, trunks.list_(session, request.context, filters, page))


def show(request: ApiRequest, trunk_id: str) -> ShownTrunk:
    with request.services.db.read() as session:
        return _shown(session, [trunks.get_visible(session, trunk_id, request.context)])[0]


def _shown(session: Session, rows: Sequence[Trunk]) -> list[ShownTrunk]:
    carried = trunks.subports_of(session, [row.id for row in rows])
    return [ShownTrunk(row, carried[row.id]) for row in rows]


def update(request: ApiRequest, trunk_id: str, changes: dict[str, Any]) -> ShownTrunk:
    def work(session: Session) -> ShownTrunk:
        trunk = _held(session, request, trunk_id)
        shareable.change(session, request, trunk, changes)
        if "admin_state_up" in changes:
            _follow(session, request, trunk)
        return _shown(session, [trunks.get_visible(session, trunk_id, request.context)])[0]

    return request.services.db.run(work)


def _held(session: Session, request: ApiRequest, trunk_id: str) -> Trunk:
    trunk = trunks.get_visible(session, trunk_id, request.context, lock=True)
    check_revision(request.headers, trunk.revision_number)
    return trunk


def _enabled(session: Session, request: ApiRequest, trunk_id: str) -> Trunk:
    """Raises Conflict for a trunk that is administratively down."""
    trunk = _held(session, request, trunk_id)
    if not trunk.admin_state_up:
        raise Conflict(f"Trunk {trunk_id} is currently disabled.", neutron_type="TrunkDisabled")
    return trunk


def add_subports(request: ApiRequest, trunk_id: str, sub_ports: Sequence[Mapping[str, Any]]) -> ShownTrunk:
    def work(session: Session) -> ShownTrunk:
        trunk = _enabled(session, request, trunk_id)
        parent = port_lists.get_visible(session, trunk.port_id, request.context)
        _carry(session, request, trunk, parent, _asked(session, request, sub_ports))
        shareable.change(session, request, trunk, {})
        return _shown(session, [trunks.get_visible(session, trunk_id, request.context)])[0]

    return request.services.db.run(work)


def remove_subports(request: ApiRequest, trunk_id: str, sub_ports: Sequence[Mapping[str, Any]]) -> ShownTrunk:
    def work(session: Session) -> ShownTrunk:
        trunk = _enabled(session, request, trunk_id)
        port_ids = [each["port_id"] for each in sub_ports]
        trunks.remove(session, trunk, port_ids)
        _drop(session, request, port_ids)
        shareable.change(session, request, trunk, {})
        return _shown(session, [trunk])[0]

    return request.services.db.run(work)


def _drop(session: Session, request: ApiRequest, port_ids: Sequence[str]) -> None:
    concerned = trunk_bindings.drop(session, port_ids, request.services.clock.now())
    network_state.touch_for_networks(session, concerned.network_ids, also=concerned.node_ids)


def delete(request: ApiRequest, trunk_id: str) -> None:
    def work(session: Session) -> None:
        trunk = _enabled(session, request, trunk_id)
        parent = port_lists.get_visible(session, trunk.port_id, request.context)
        if parent.binding_node_id is not None:
            raise Conflict(f"Trunk {trunk_id} is currently in use.", neutron_type="TrunkInUse")
        _drop(session, request, [each.port_id for each in trunks.subports_of(session, [trunk_id])[trunk_id]])
        network_tags.forget(session, [trunk_id])
        quotas.release(session, trunk.project_id, {"trunk": 1})
        session.delete(trunk)

    request.services.db.run(work)
