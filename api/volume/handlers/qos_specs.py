"""/qos-specs. That a type is given its specs by a GET is Cinder's way."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume import query
from api.volume.operations import qos_specs as operations
from api.volume.schemas import volume_types as schemas
from api.volume.views import volume_types as views
from common.errors import InvalidRequest

CONSUMERS = ("back-end", "both", "front-end")


def list_all(request: ApiRequest) -> Reply:
    found = operations.list_page(request.services, query.page(request))
    more = query.next_link(request, "qos-specs", [row.id for row in found])
    shown = {"qos_specs": [views.qos_specs(row) for row in found]}
    return Reply({**shown, **({"qos_specs_links": more["qos-specs_links"]} if more else {})})


def show(request: ApiRequest, qos_id: str) -> Reply:
    return Reply(views.qos_detail(operations.show(request.services, qos_id), reader(request)))


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.QOS_CREATE)
    specs = _texts(request.body["qos_specs"])
    name, consumer = specs.pop("name").strip(), specs.pop("consumer", "back-end")
    if not name:
        raise InvalidRequest("Invalid input for field/attribute name: it must not be empty.")
    made = operations.create(request.services, name, _checked(consumer), specs)
    return Reply(views.qos_detail(made, reader(request)))


def set_keys(request: ApiRequest, qos_id: str) -> Reply:
    validate(request.body, schemas.QOS_SET)
    specs = _texts(request.body["qos_specs"])
    consumer = specs.pop("consumer", None)
    operations.set_keys(request.services, qos_id, None if consumer is None else _checked(consumer), specs)
    return Reply({"qos_specs": request.body["qos_specs"]})


def unset_keys(request: ApiRequest, qos_id: str) -> Reply:
    validate(request.body, schemas.QOS_UNSET)
    operations.unset_keys(request.services, qos_id, request.body["keys"])
    return Reply(status=202)


def delete(request: ApiRequest, qos_id: str) -> Reply:
    operations.delete(request.services, qos_id, force=query.boolean(request, "force"))
    return Reply(status=202)


def list_associations(request: ApiRequest, qos_id: str) -> Reply:
    return Reply({"qos_associations": views.associations(operations.associations(request.services, qos_id))})


def associate(request: ApiRequest, qos_id: str) -> Reply:
    operations.associate(request.services, qos_id, _type_id(request))
    return Reply(status=202)


def disassociate(request: ApiRequest, qos_id: str) -> Reply:
    operations.disassociate(request.services, qos_id, _type_id(request))
    return Reply(status=202)


def disassociate_all(request: ApiRequest, qos_id: str) -> Reply:
    operations.disassociate_all(request.services, qos_id)
    return Reply(status=202)


def _texts(asked: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in asked.items()}


def _checked(consumer: str) -> str:
    if consumer not in CONSUMERS:
        raise InvalidRequest(f"Invalid input for field/attribute consumer. Valid consumers are {', '.join(CONSUMERS)}.")
    return consumer


def _type_id(request: ApiRequest) -> str:
    found = query.text(request, "vol_type_id")
    if not found:
        raise InvalidRequest("Volume Type id must not be None.")
    return found
