"""Queries about images: who may see which, one page of a list, and the compare-and-sets of an upload.

A deleted image's row stays, with status `deleted`, so that its id is never given to other bytes (OSSN-0075).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import Allocation, Image, ImageMember, ImageTag, Instance, Operation, Volume, VolumeAttachment
from common.db.upsert import insert_ignore
from common.errors import NotFound
from common.ids import is_uuid
from common.states import OPEN_OPERATION_STATES


class ImageStatus(StrEnum):
    QUEUED = "queued"  # registered, no bytes
    SAVING = "saving"  # the upload named by upload_id is running
    UPLOADING = "uploading"  # bytes arrive, or have arrived and wait to be imported
    IMPORTING = "importing"  # what has arrived is being judged
    ACTIVE = "active"  # bytes are there and never change again
    DEACTIVATED = "deactivated"  # bytes are there but nobody except an administrator gets them
    DELETED = "deleted"


_IN_TRANSIT = (ImageStatus.SAVING, ImageStatus.UPLOADING)


class Visibility(StrEnum):
    PUBLIC = "public"
    COMMUNITY = "community"  # everybody may use it, but it is in nobody's list unless asked for
    SHARED = "shared"  # the owner and its members
    PRIVATE = "private"


SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "name": Image.name,
    "status": Image.status,
    "container_format": Image.container_format,
    "disk_format": Image.disk_format,
    "size": Image.size,
    "id": Image.id,
    "created_at": Image.created_at,
    "updated_at": Image.updated_at,
}
TIME_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {"created_at": Image.created_at, "updated_at": Image.updated_at}
_COMPARE: dict[str, Any] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
}
COMPARISONS = tuple(_COMPARE)


@dataclass(frozen=True)
class ImageFilter:
    """What a list is narrowed to. one_of: column name to the values allowed. times: (column, comparison, time)."""

    visibility: str | None = None  # None: what a list shows by default; "all": community images too
    member_status: str = "accepted"  # of images shared with the caller; "all": any
    os_hidden: bool = False
    protected: bool | None = None
    owner: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    one_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tags: Sequence[str] = ()
    times: Sequence[tuple[str, str, datetime]] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredBytes:
    """What an upload's bytes are; sizes in bytes."""

    size: int
    virtual_size: int
    checksum: str  # MD5
    sha512: str


def add(session: Session, image: Image) -> None:
    """Insert a new image at once, so that a clash of ids shows here. Raises IntegrityError."""
    session.add(image)
    session.flush()


def get(session: Session, image_id: str) -> Image:
    """Raises NotFound; a deleted image is not found."""
    image = session.get(Image, image_id.lower(), populate_existing=True) if is_uuid(image_id) else None
    if image is None or image.status == ImageStatus.DELETED:
        raise NotFound(f"No image found with ID {image_id[:64]}")
    return image


def get_visible(session: Session, image_id: str, context: RequestContext) -> Image:
    """The image if the caller may use it. Raises NotFound, in the same words for a stranger's and for none."""
    wanted = {"image_id": image_id.lower(), **caller(context)}
    image = session.scalars(_GET, wanted).one_or_none() if is_uuid(image_id) else None
    if image is None:
        raise NotFound(f"No image found with ID {image_id[:64]}")
    return image


def held_by(session: Session, task_id: str) -> Image | None:
    """The image that this import may change now."""
    return session.scalars(sa.select(Image).where(Image.import_task_id == task_id)).one_or_none()


def exists(session: Session, image_id: str) -> bool:
    """True also for a deleted image: its id is taken for ever."""
    return session.get(Image, image_id) is not None


def list_page(session: Session, context: RequestContext, wanted: ImageFilter, page: paging.Page) -> list[Image]:
    """One page of what the caller may see. Raises InvalidRequest for a bad sort key or marker."""
    query = sa.select(Image).where(Image.status != ImageStatus.DELETED, _listed(context, wanted), *_conditions(wanted))
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True), ("id", True)), key=Image.id
    )


def _listed(context: RequestContext, wanted: ImageFilter) -> sa.ColumnElement[bool]:
    asked_for = wanted.visibility in (Visibility.COMMUNITY, "all")
    own = Image.owner == context.project_id
    if context.is_admin:
        reach = sa.true() if asked_for else sa.or_(own, Image.visibility != Visibility.COMMUNITY)
    else:
        open_to_all = [Visibility.PUBLIC, Visibility.COMMUNITY] if asked_for else [Visibility.PUBLIC]
        reach = sa.or_(own, Image.visibility.in_(open_to_all), _shared_with(context.project_id, wanted.member_status))
    if wanted.visibility in (None, "all"):
        return reach
    return sa.and_(reach, Image.visibility == wanted.visibility)


def _shared_with(project_id: str | sa.BindParameter[str] | None, member_status: str) -> sa.ColumnElement[bool]:
    member = sa.select(ImageMember.image_id).where(ImageMember.image_id == Image.id, ImageMember.member == project_id)
    if member_status != "all":
        member = member.where(ImageMember.status == member_status)
    return sa.and_(Image.visibility == Visibility.SHARED, member.exists())


#: the image `image_id`, if the `caller` may name it: its own, everybody's, and what was offered to it in whatever state
VISIBLE = sa.and_(
    Image.id == sa.bindparam("image_id"),
    Image.status != ImageStatus.DELETED,
    sa.or_(
        sa.bindparam("sees_images", type_=sa.Boolean),
        Image.owner == sa.bindparam("caller_project"),
        Image.visibility == Visibility.PUBLIC,
        Image.visibility == Visibility.COMMUNITY,
        _shared_with(sa.bindparam("caller_project"), "all"),
    ),
)
_GET = sa.select(Image).where(VISIBLE)


def caller(context: RequestContext) -> dict[str, Any]:
    """What VISIBLE has to know of whoever asks.

    Images belong to projects: an administrator sees all of them with a token for a project, as Glance has it.
    """
    sees_all = context.is_admin and context.project_id is not None
    return {"sees_images": sees_all, "caller_project": context.project_id or ""}


def _conditions(wanted: ImageFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [Image.os_hidden.is_(wanted.os_hidden)]
    if wanted.protected is not None:
        found.append(Image.protected.is_(wanted.protected))
    if wanted.owner is not None:
        found.append(Image.owner == wanted.owner)
    if wanted.size_min is not None:
        found.append(Image.size >= wanted.size_min)
    if wanted.size_max is not None:
        found.append(Image.size <= wanted.size_max)
    found += [SORT_COLUMNS[name].in_(values) for name, values in wanted.one_of.items()]
    found += [_COMPARE[comparison](TIME_COLUMNS[name], time) for name, comparison, time in wanted.times]
    found += [Image.properties[name].as_string() == value for name, value in wanted.properties.items()]
    for tag in wanted.tags:
        found.append(sa.select(ImageTag.tag).where(ImageTag.image_id == Image.id, ImageTag.tag == tag).exists())
    return found


def tags_of(session: Session, image_ids: Sequence[str]) -> dict[str, list[str]]:
    """The tags of each image, in order; images without tags have an empty list."""
    found: dict[str, list[str]] = {image_id: [] for image_id in image_ids}
    rows = session.execute(
        sa.select(ImageTag.image_id, ImageTag.tag).where(ImageTag.image_id.in_(image_ids)).order_by(ImageTag.tag)
    )
    for image_id, tag in rows:
        found[image_id].append(tag)
    return found


def set_tags(session: Session, image_id: str, tags: Sequence[str]) -> None:
    session.execute(sa.delete(ImageTag).where(ImageTag.image_id == image_id))
    add_tags(session, image_id, tags)


def add_tags(session: Session, image_id: str, tags: Sequence[str]) -> None:
    """Tags that are there already stay."""
    insert_ignore(session, ImageTag, [{"image_id": image_id, "tag": tag} for tag in sorted(set(tags))])


def remove_tag(session: Session, image_id: str, tag: str) -> bool:
    """False: there was no such tag."""
    done = session.execute(sa.delete(ImageTag).where(ImageTag.image_id == image_id, ImageTag.tag == tag))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def begin_upload(
    session: Session, image_id: str, upload_id: str, now: datetime, to: ImageStatus = ImageStatus.SAVING
) -> bool:
    """queued -> saving or uploading for this upload. False: the image isn't queued, so another upload was quicker."""
    return _move(
        session,
        [Image.id == image_id, Image.status == ImageStatus.QUEUED],
        {
            "status": to,
            "upload_id": upload_id,
            "failure": None,
            "updated_at": now,
        },
    )


def begin_node_upload(session: Session, image_id: str, upload_id: str, now: datetime) -> bool:
    """As `begin_upload`, but a node that begins again ends its own former try, whatever became of that."""
    return _move(
        session,
        [Image.id == image_id, Image.status.in_((ImageStatus.QUEUED, ImageStatus.SAVING))],
        {"status": ImageStatus.SAVING, "upload_id": upload_id, "failure": None, "updated_at": now},
    )


def finish_upload(
    session: Session, image_id: str, upload_id: str, stored: StoredBytes, stores: str, now: datetime
) -> bool:
    """saving -> active. False: the image was deleted meanwhile, or this upload was given up for dead."""
    return _move(
        session,
        [Image.id == image_id, *_holding(upload_id, ImageStatus.SAVING)],
        {**active_values(stored, now), "stores": stores},
    )


def active_values(stored: StoredBytes, now: datetime) -> dict[str, Any]:
    """What the row says of an image whose bytes are there."""
    return {
        "status": ImageStatus.ACTIVE,
        "upload_id": None,
        "failure": None,
        "size": stored.size,
        "virtual_size": stored.virtual_size,
        "checksum": stored.checksum,
        "os_hash_algo": "sha512",
        "os_hash_value": stored.sha512,
        "updated_at": now,
    }


def note_staged(session: Session, upload_id: str, size: int, now: datetime) -> str | None:
    """How much has come. Returns the image's owner. Raises NotFound when the image was deleted meanwhile."""
    if not _move(session, _holding(upload_id, ImageStatus.UPLOADING), {"size": size, "updated_at": now}):
        raise NotFound("The image was deleted while its data were staged.", http_status=410)
    return session.scalars(sa.select(Image.owner).where(Image.upload_id == upload_id)).one()


def return_to_queue(session: Session, upload_id: str, failure: str, now: datetime) -> bool:
    """Back to queued, with the reason, so that the owner may upload again. False: this upload holds no image."""
    return _move(
        session,
        _holding(upload_id, *_IN_TRANSIT),
        {
            "status": ImageStatus.QUEUED,
            "upload_id": None,
            "size": None,
            "failure": failure[:2000],
            "updated_at": now,
        },
    )


def uploads_begun_before(session: Session, time: datetime) -> dict[str, str]:
    """Upload id -> image id of uploads that have been running since before `time`."""
    rows = session.execute(
        sa.select(Image.upload_id, Image.id).where(Image.status.in_(_IN_TRANSIT), Image.updated_at < time)
    )
    return {upload_id: image_id for upload_id, image_id in rows if upload_id}


def uploads_of(session: Session, upload_ids: Collection[str]) -> dict[str, str]:
    """Upload id -> image id of those among them that hold an image."""
    if not upload_ids:
        return {}
    rows = session.execute(
        sa.select(Image.upload_id, Image.id).where(Image.status.in_(_IN_TRANSIT), Image.upload_id.in_(upload_ids))
    )
    return {upload_id: image_id for upload_id, image_id in rows if upload_id}


def set_status(session: Session, image_id: str, expect: Sequence[ImageStatus], to: ImageStatus, now: datetime) -> bool:
    """Move between active and deactivated by compare-and-set."""
    return _move(session, [Image.id == image_id, Image.status.in_(expect)], {"status": to, "updated_at": now})


def mark_deleted(session: Session, image_id: str, now: datetime) -> bool:
    """False: it was deleted already, or is protected. A running upload finds its image gone when it ends."""
    done = _move(
        session,
        [
            Image.id == image_id,
            Image.status != ImageStatus.DELETED,
            Image.protected.is_(False),
        ],
        {"status": ImageStatus.DELETED, "upload_id": None, "import_task_id": None, "updated_at": now},
    )
    if done:
        session.execute(sa.delete(ImageMember).where(ImageMember.image_id == image_id))
        session.execute(sa.delete(ImageTag).where(ImageTag.image_id == image_id))
    return done


_KEPT_PREFIXES = (
    "hw_", "os_type", "os_distro", "os_version", "os_admin_user", "os_require_quiesce", "os_secure_boot", "os_shutdown_timeout",
    "architecture", "trait:", "img_hv_type", "img_hide_hypervisor_id", "img_signature", "hypervisor_type",
)  # fmt: skip


def copy_for_server(row: Image) -> dict[str, Any]:
    """What a server keeps of its image. Sizes are bytes, min_disk GiB, min_ram MiB; properties the harmless ones."""
    properties = {key: str(value) for key, value in row.properties.items() if key.startswith(_KEPT_PREFIXES)}
    return {
        "id": row.id, "name": row.name, "sha512": row.os_hash_value, "size_bytes": row.size,
        "disk_format": row.disk_format, "virtual_size_bytes": row.virtual_size or row.size, "min_disk": row.min_disk,
        "min_ram": row.min_ram, "properties": properties,
    }  # fmt: skip


def for_transfer(session: Session, image_id: str, instance: Instance, now: datetime) -> None:
    """Register the image by which a server's disk travels to another node; nobody's lists show it."""
    add(
        session,
        Image(
            id=image_id, name=f"{instance.name}-moving"[:255], owner=instance.project_id, status=ImageStatus.QUEUED,
            visibility=Visibility.PRIVATE, disk_format="qcow2", container_format="bare", protected=False,
            os_hidden=True, properties={"image_type": "moving", "instance_uuid": instance.id}, created_at=now,
            updated_at=now,
        ),
    )  # fmt: skip


def give_up(session: Session, image_id: str, now: datetime) -> bool:
    """Delete an image whose bytes will never come; one that has them stays. False: there was none to delete."""
    waiting = (ImageStatus.QUEUED, ImageStatus.SAVING)
    return _move(
        session,
        [Image.id == image_id, Image.status.in_(waiting)],
        {"status": ImageStatus.DELETED, "upload_id": None, "updated_at": now},
    )


def describe_only(session: Session, image_id: str, now: datetime) -> bool:
    """Make a registered image one without bytes: what it stands for is said in its properties. Harmless when repeated."""
    nothing = {
        "size": 0, "checksum": hashlib.md5(usedforsecurity=False).hexdigest(), "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512().hexdigest(),
    }  # fmt: skip
    condition = [Image.id == image_id, Image.status == ImageStatus.QUEUED]
    return _move(session, condition, {"status": ImageStatus.ACTIVE, "updated_at": now, **nothing})


def backups(session: Session, like: Image) -> list[Image]:
    """The finished backups of the same server and type as this one, newest first.

    Only those of its project: anybody may write such properties on an image of their own.
    """
    wanted = {name: like.properties[name] for name in ("image_type", "instance_uuid", "backup_type")}
    same = [Image.properties[name].as_string() == value for name, value in wanted.items()]
    query = sa.select(Image).where(Image.status == ImageStatus.ACTIVE, Image.owner == like.owner, *same)
    return list(session.scalars(query.order_by(Image.created_at.desc(), Image.id)))


def snapshot_for_node(session: Session, image_id: str, node_id: str) -> Operation | None:
    """The open operation that makes this image of an instance or volume on this node."""
    on_node = sa.or_(
        sa.exists().where(Instance.id == Operation.resource_id, Instance.node_id == node_id),
        sa.exists().where(Volume.id == Operation.resource_id, _volume_is_on(node_id)),
    )
    query = sa.select(Operation).where(
        Operation.state.in_(OPEN_OPERATION_STATES), Operation.params["image_id"].as_string() == image_id, on_node
    )
    return session.scalars(query.limit(1)).one_or_none()


def deleted_among(session: Session, image_ids: Sequence[str]) -> list[str]:
    """Those of the ids whose image is known and deleted; unknown ones are not ours to judge."""
    query = sa.select(Image.id).where(Image.id.in_(image_ids), Image.status == ImageStatus.DELETED)
    return list(session.scalars(query)) if image_ids else []


def is_needed_by_node(session: Session, image_id: str, node_id: str) -> bool:
    """True when an instance on the node, or an open operation of one with a claim there, was made from the image."""
    claimed = (
        sa.select(Allocation.consumer_id)
        .join(Operation, Operation.resource_id == Allocation.consumer_id)
        .where(
            Allocation.consumer_id == Instance.id,
            Allocation.node_id == node_id,
            Operation.state.in_(OPEN_OPERATION_STATES),
        )
    )
    query = sa.select(Instance.id).where(
        sa.or_(
            Instance.image_id == image_id,
            Instance.image["id"].as_string() == image_id,
            Instance.rescue["image"]["id"].as_string() == image_id,
        ),
        Instance.deleted.is_(False),
        sa.or_(Instance.node_id == node_id, claimed.exists()),
    )
    return session.execute(query.limit(1)).first() is not None or _is_needed_for_volume(session, image_id, node_id)


def _is_needed_for_volume(session: Session, image_id: str, node_id: str) -> bool:
    query = (
        sa.select(Volume.id)
        .join(Operation, Operation.resource_id == Volume.id)
        .where(
            Operation.state.in_(OPEN_OPERATION_STATES),
            Operation.params["image"]["id"].as_string() == image_id,
            Volume.node_id == node_id,
        )
    )
    return session.execute(query.limit(1)).first() is not None


def _volume_is_on(node_id: str) -> sa.ColumnElement[bool]:
    """The node has the volume's file, or a server that has the volume."""
    guest = (
        sa.exists()
        .where(
            VolumeAttachment.volume_id == Volume.id,
            VolumeAttachment.deleted.is_(False),
            VolumeAttachment.instance_id == Instance.id,
            Instance.node_id == node_id,
        )
        .correlate(Volume)
    )
    return sa.or_(Volume.node_id == node_id, guest)


def _holding(upload_id: str, *statuses: ImageStatus) -> list[sa.ColumnElement[bool]]:
    return [Image.upload_id == upload_id, Image.status.in_(statuses)]


def _move(session: Session, condition: Sequence[sa.ColumnElement[bool]], values: dict[str, Any]) -> bool:
    done = session.execute(
        sa.update(Image).where(*condition).values(**values).execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]
