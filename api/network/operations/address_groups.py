"""What requests about address groups mean: named lists of CIDRs that security group rules can name as remote."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.operations.shareable import Shown
from api.network.problems import invalid
from api.request import ApiRequest
from common.db import network_state, sharing
from common.db.models import AddressGroup
from common.db.rbac_policies import ADDRESS_GROUP
from common.errors import Conflict, NotFound
from common.ids import new_id

COLUMNS: shareable.Columns = {
    "id": AddressGroup.id,
    "project_id": AddressGroup.project_id,
    "name": AddressGroup.name,
    "description": AddressGroup.description,
    "revision_number": AddressGroup.revision_number,
    "created_at": AddressGroup.created_at,
    "updated_at": AddressGroup.updated_at,
}


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[Shown]:
    """All or none."""
    now = request.services.clock.now()
    wanted = [(body, _networks(body.get("addresses", []))) for body in bodies]

    def work(session: Session) -> list[Shown]:
        rows = [
            AddressGroup(
                id=new_id(),
                project_id=body["project_id"],
                name=body.get("name", ""),
                description=body.get("description", ""),
                addresses=addresses,
                revision_number=0,
                created_at=now,
                updated_at=now,
            )
            for body, addresses in wanted
        ]
        session.add_all(rows)
        session.flush()
        return [Shown(row, shared=False) for row in rows]

    return request.services.db.run(work)


def _networks(asked: Sequence[str]) -> list[str]:
    """CIDRs in canonical spelling, each once and in order. Raises InvalidRequest."""
    found = []
    for text in asked:
        try:
            if "/" not in text:
                raise ValueError(text)
            found.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError as err:
            raise invalid(f"'{text[:64]}' is not a CIDR such as 10.0.0.0/24 or 10.0.0.7/32.") from err
    return sorted(set(found))


def update(request: ApiRequest, group_id: str, changes: dict[str, Any]) -> Shown:
    def work(session: Session) -> Shown:
        row = shareable.held(session, request, ADDRESS_GROUP, group_id, "update")
        shareable.change(session, request, row, changes)
        return shareable.shown(session, request, [row])[0]

    return request.services.db.run(work)


def add(request: ApiRequest, group_id: str, addresses: Sequence[str]) -> Shown:
    """Raises Conflict when one is in the group already."""
    asked = _networks(addresses)

    def work(session: Session) -> Shown:
        row = shareable.held(session, request, ADDRESS_GROUP, group_id, "update")
        twice = sorted(set(asked) & set(row.addresses))
        if twice:
            raise Conflict(
                f"Addresses {', '.join(twice)} already exist in the address group {group_id}.",
                neutron_type="AddressesAlreadyExist",
            )
        return _rewrite(session, request, row, sorted({*row.addresses, *asked}))

    return request.services.db.run(work)


def remove(request: ApiRequest, group_id: str, addresses: Sequence[str]) -> Shown:
    """Raises NotFound when one isn't in the group."""
    asked = _networks([text if "/" in text else _single(text) for text in addresses])

    def work(session: Session) -> Shown:
        row = shareable.held(session, request, ADDRESS_GROUP, group_id, "update")
        missing = sorted(set(asked) - set(row.addresses))
        if missing:
            raise NotFound(
                f"Addresses {', '.join(missing)} not found in the address group {group_id}.",
                neutron_type="AddressesNotFound",
            )
        return _rewrite(session, request, row, sorted(set(row.addresses) - set(asked)))

    return request.services.db.run(work)


def _single(text: str) -> str:
    """An address alone as the CIDR that holds nothing else."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        return text


def _rewrite(session: Session, request: ApiRequest, row: AddressGroup, addresses: list[str]) -> Shown:
    """Ports whose rules name the group are filtered anew."""
    shareable.change(session, request, row, {"addresses": addresses})
    network_state.touch_for_address_group(session, row.id)
    return shareable.shown(session, request, [row])[0]


def delete(request: ApiRequest, group_id: str) -> None:
    """Raises Conflict while a rule names it."""

    def work(session: Session) -> None:
        row = shareable.held(session, request, ADDRESS_GROUP, group_id, "delete")
        if network_state.rules_naming_address_group(session, group_id):
            raise Conflict(
                f"Address group {group_id} is in use on one or more security group rules.",
                neutron_type="AddressGroupInUse",
            )
        sharing.forget(session, group_id)
        session.delete(row)

    request.services.db.run(work)
