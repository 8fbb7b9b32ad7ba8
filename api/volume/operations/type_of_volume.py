"""Which type a new volume is of, and whether it may be: private types, encryption, and groups with types of their own."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import volume_groups, volume_types
from common.db.models import VolumeGroup, VolumeType
from common.errors import InvalidRequest, NotFound
from common.volume_states import GroupStatus


def choose(session: Session, context: RequestContext, asked: str | None, of_source: str | None) -> VolumeType:
    """By id or name as asked, else that of what it is made from, else the default.

    Raises NotFound for a type that isn't for the caller, InvalidRequest for one whose volumes would be encrypted.
    """
    if asked:
        found = volume_types.find_visible(session, asked, context)
    elif of_source:
        found = volume_types.get(session, of_source)
    else:
        default = volume_types.default_of(session, context.project_id)
        if default is None:
            raise NotFound("Default volume type can not be found.")
        found = default
    refuse_encrypted(session, found)
    return found


def refuse_encrypted(session: Session, found: VolumeType) -> None:
    if volume_types.encryption_of(session, found.id) is not None:
        raise InvalidRequest(
            f"Invalid volume type: volumes of type {found.name} are to be encrypted, and this cloud has no key manager:"
            " choose another type."
        )


def check_group(
    session: Session, context: RequestContext, group_id: str, type_id: str, *, filling: bool
) -> VolumeGroup:
    """filling: the group is just being made with its volumes. Raises NotFound, InvalidRequest."""
    group = volume_groups.get_visible(session, group_id, context, lock=True)
    if group.status != (GroupStatus.CREATING if filling else GroupStatus.AVAILABLE):
        raise InvalidRequest(f"Invalid group: Group {group.id} must be available, but is {group.status}.")
    if group.project_id != context.project_id:
        raise InvalidRequest(f"Invalid group: Group {group.id} is another project's.")
    if type_id not in group.volume_types:
        raise InvalidRequest(f"Invalid volume type: type {type_id} is not one of those of group {group.id}.")
    return group
