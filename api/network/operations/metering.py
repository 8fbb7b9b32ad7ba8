"""What requests about metering labels and rules mean; nodes with routers that count by them learn of each change."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import invalid
from api.request import ApiRequest
from common.db import metering
from common.db.filters import Filters
from common.db.models import MeteringLabel, MeteringRule
from common.db.paging import Page
from common.db.upsert import insert
from common.ids import new_id

PREFIXES = ("remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix")


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[MeteringLabel]:
    """All or none."""
    rows = [
        MeteringLabel(
            id=new_id(),
            project_id=body["project_id"],
            name=body.get("name", ""),
            description=body.get("description", ""),
            shared=body.get("shared", False),
        )
        for body in bodies
    ]

    def work(session: Session) -> list[MeteringLabel]:
        for row in rows:
            insert(session, row)
            metering.touch(session, row)
        return rows

    return request.services.db.run(work)


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[MeteringLabel]:
    with request.services.db.read() as session:
        return metering.list_(session, filters, page)


def show(request: ApiRequest, label_id: str) -> MeteringLabel:
    with request.services.db.read() as session:
        return metering.get(session, label_id)


def delete(request: ApiRequest, label_id: str) -> None:
    request.services.db.run(lambda session: metering.delete(session, metering.get(session, label_id, lock=True)))


def create_rules(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[MeteringRule]:
    """All or none. Raises InvalidRequest, NotFound (label), Conflict (overlap)."""
    wanted = [_columns(body) for body in bodies]

    def work(session: Session) -> list[MeteringRule]:
        made = []
        for values in wanted:
            label = metering.get(session, values["metering_label_id"], lock=True)
            row = MeteringRule(id=new_id(), **values)
            metering.check_apart(session, row)
            insert(session, row)
            metering.touch(session, label)
            made.append(row)
        return made

    return request.services.db.run(work)


def _columns(body: Mapping[str, Any]) -> dict[str, Any]:
    prefixes = {name: _prefix(name, body.get(name)) for name in PREFIXES}
    given = [name for name, value in prefixes.items() if value is not None]
    if not given or (len(given) > 1 and "remote_ip_prefix" in given):
        raise invalid(
            "A metering rule has either remote_ip_prefix, or source_ip_prefix, destination_ip_prefix or both."
        )
    if len({ipaddress.ip_network(str(prefixes[name])).version for name in given}) > 1:
        raise invalid("The prefixes of a metering rule are of one IP version.")
    return {
        "metering_label_id": body["metering_label_id"],
        "direction": body.get("direction", "ingress"),
        "excluded": body.get("excluded", False),
        **prefixes,
    }


def _prefix(name: str, text: str | None) -> str | None:
    """In canonical spelling."""
    if text is None:
        return None
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as err:
        raise invalid(f"{name} '{text[:64]}' is not a valid IP prefix.") from err


def list_rules(request: ApiRequest, filters: Filters, page: Page) -> list[MeteringRule]:
    with request.services.db.read() as session:
        return metering.list_rules(session, filters, page)


def show_rule(request: ApiRequest, rule_id: str) -> MeteringRule:
    with request.services.db.read() as session:
        return metering.get_rule(session, rule_id)


def delete_rule(request: ApiRequest, rule_id: str) -> None:
    def work(session: Session) -> None:
        row = metering.get_rule(session, rule_id)
        metering.touch(session, metering.get(session, row.metering_label_id, lock=True))
        session.delete(row)

    request.services.db.run(work)
