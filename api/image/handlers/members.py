"""Image members: parse, call, render."""

from __future__ import annotations

from api.image.operations import members as operations
from api.image.schemas.images import MEMBER_CREATE, MEMBER_UPDATE
from api.image.views.images import member_body, members_body
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.image_members import MemberStatus


def add(request: ApiRequest, image_id: str) -> Reply:
    validate(request.body, MEMBER_CREATE)
    return Reply(member_body(operations.add(request.services, request.context, image_id, request.body["member"])))


def list_members(request: ApiRequest, image_id: str) -> Reply:
    return Reply(members_body(operations.list_members(request.services, request.context, image_id)))


def show(request: ApiRequest, image_id: str, member_id: str) -> Reply:
    return Reply(member_body(operations.show(request.services, request.context, image_id, member_id)))


def answer(request: ApiRequest, image_id: str, member_id: str) -> Reply:
    validate(request.body, MEMBER_UPDATE)
    status = MemberStatus(request.body["status"])
    return Reply(member_body(operations.answer(request.services, request.context, image_id, member_id, status)))


def remove(request: ApiRequest, image_id: str, member_id: str) -> Reply:
    operations.remove(request.services, request.context, image_id, member_id)
    return Reply(status=204)
