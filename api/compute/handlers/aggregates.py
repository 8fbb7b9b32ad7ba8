"""Aggregates: lists, show, create, update, delete, and the actions on their hosts and metadata."""

from __future__ import annotations

from api.compute.operations import aggregates
from api.compute.operations.aggregates import Shown
from api.compute.schemas import aggregates as schemas
from api.compute.views import aggregates as views
from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import validate


def list_all(request: ApiRequest) -> Reply:
    audience = reader(request)
    return Reply({"aggregates": [views.aggregate(row, audience) for row in aggregates.list_all(request.services)]})


def show(request: ApiRequest, aggregate_id: str) -> Reply:
    return _one(request, aggregates.show(request.services, aggregate_id))


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE)
    asked = request.body["aggregate"]
    made = aggregates.create(request.services, asked["name"], asked.get("availability_zone"))
    return Reply({"aggregate": views.created(made, reader(request))})


def update(request: ApiRequest, aggregate_id: str) -> Reply:
    validate(request.body, schemas.UPDATE)
    asked = request.body["aggregate"]
    zone = {key: asked[key] for key in ("availability_zone",) if key in asked}
    return _one(request, aggregates.update(request.services, aggregate_id, asked.get("name"), zone))


def delete(request: ApiRequest, aggregate_id: str) -> Reply:
    aggregates.delete(request.services, aggregate_id)
    return Reply()


def add_host(request: ApiRequest, aggregate_id: str) -> Reply:
    validate(request.body, schemas.ADD_HOST)
    return _one(request, aggregates.add_host(request.services, aggregate_id, request.body["add_host"]["host"]))


def remove_host(request: ApiRequest, aggregate_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_HOST)
    return _one(request, aggregates.remove_host(request.services, aggregate_id, request.body["remove_host"]["host"]))


def set_metadata(request: ApiRequest, aggregate_id: str) -> Reply:
    validate(request.body, schemas.SET_METADATA)
    metadata = request.body["set_metadata"]["metadata"]
    return _one(request, aggregates.set_metadata(request.services, aggregate_id, metadata))


def cache_images(request: ApiRequest, aggregate_id: str) -> Reply:
    validate(request.body, schemas.CACHE)
    wanted = [each["id"] for each in request.body["cache"]]
    aggregates.cache_images(request.services, request.context, aggregate_id, wanted)
    return Reply(status=202)


def _one(request: ApiRequest, shown: Shown) -> Reply:
    return Reply({"aggregate": views.aggregate(shown, reader(request))})
