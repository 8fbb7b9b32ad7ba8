"""Which images an administrator wants in which nodes' caches. Whether they are there yet only the nodes know."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Image, ImagePrefetch
from common.db.upsert import insert_ignore


def want(session: Session, image_id: str, node_ids: Collection[str], now: datetime) -> None:
    """These nodes may fetch the image from now on. Doing it again changes nothing."""
    rows = [{"image_id": image_id, "node_id": node_id, "created_at": now} for node_id in sorted(node_ids)]
    insert_ignore(session, ImagePrefetch, rows)


def forget(session: Session, image_id: str | None = None) -> None:
    """None: of all images."""
    query = sa.delete(ImagePrefetch)
    session.execute(query if image_id is None else query.where(ImagePrefetch.image_id == image_id))


def is_wanted(session: Session, image_id: str, node_id: str) -> bool:
    return session.get(ImagePrefetch, (image_id, node_id)) is not None


def with_hashes(session: Session, sha512s: Collection[str]) -> dict[str, list[str]]:
    """The ids of the images with these bytes, by hash: those that are there, else those that were deleted."""
    query = sa.select(Image.os_hash_value, Image.id, Image.status == "deleted")
    query = query.where(Image.os_hash_value.in_(sha512s)).order_by(Image.created_at, Image.id)
    rows = list(session.execute(query)) if sha512s else []
    found: dict[str, list[str]] = {}
    for gone in (False, True):
        here = set(found)
        for sha512, image_id, is_gone in rows:
            if sha512 is not None and is_gone == gone and sha512 not in here:
                found.setdefault(sha512, []).append(image_id)
    return found
