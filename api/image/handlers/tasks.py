"""Imports as tasks, an administrator's view of them: parse, call, render."""

from __future__ import annotations

from api.image.operations import imports
from api.image.schemas.filters import parse_sort, parse_whole
from api.image.views.images import full_task, task_page
from api.request import ApiRequest, Reply
from common.db.image_tasks import SORT_KEYS, TaskStatus
from common.db.paging import Page
from common.errors import InvalidRequest


def list_tasks(request: ApiRequest) -> Reply:
    largest = request.services.config.api.max_limit
    limit = parse_whole(request.query, "limit")
    page = Page(
        limit=largest if limit is None else min(limit, largest),
        marker=request.arg("marker"),
        sort=parse_sort(request.query, SORT_KEYS),
    )
    filters = {}
    if (status := request.arg("status")) is not None:
        if status not in list(TaskStatus):
            raise InvalidRequest(f"Invalid status value: {status[:40]!r}; use one of {', '.join(TaskStatus)}.")
        filters["status"] = status
    tasks = imports.page_tasks(request.services, request.context, filters, page)
    return Reply(task_page(tasks, page.limit, request.query))


def show(request: ApiRequest, task_id: str) -> Reply:
    return Reply(full_task(imports.show_task(request.services, request.context, task_id)))
