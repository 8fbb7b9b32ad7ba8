"""What could be managed, and what is, as Cinder shows it."""

from __future__ import annotations

from api.compute.views.fields import Body
from api.volume.operations.manageable import SOURCE_NAME, Entry


def volume(row: Entry) -> Body:
    return {"reference": {SOURCE_NAME: row.name}, "size": row.size_gib, "safe_to_manage": not row.unsafe}


def volume_detail(row: Entry) -> Body:
    more = {"reason_not_safe": row.unsafe or None, "cinder_id": row.managed_as, "extra_info": None}
    return {**volume(row), **more}


def snapshot(row: Entry) -> Body:
    source = {SOURCE_NAME: row.source} if row.source else None
    return {**volume(row), "source_reference": source}


def snapshot_detail(row: Entry) -> Body:
    return {**volume_detail(row), **snapshot(row)}
