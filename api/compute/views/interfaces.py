"""Ports of a server as os-interface shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, Field, Reader, prune
from common.db.ports import InstanceAddress

FIELDS = (Field("tag", since="2.70"),)


def attachments(rows: Sequence[InstanceAddress], audience: Reader) -> list[Body]:
    found: dict[str, Body] = {}
    for row in rows:
        body = found.setdefault(row.port_id, _attachment(row, audience))
        if row.ip_address is not None:
            body["fixed_ips"].append({"subnet_id": row.subnet_id, "ip_address": row.ip_address})
    return list(found.values())


def _attachment(row: InstanceAddress, audience: Reader) -> Body:
    body: Body = {
        "port_id": row.port_id, "net_id": row.network_id, "mac_addr": row.mac_address, "port_state": row.status,
        "fixed_ips": [], "tag": row.tag or None,
    }  # fmt: skip
    return prune(body, FIELDS, audience)
