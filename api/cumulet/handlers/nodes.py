"""Nodes for operators, image bytes for agents."""

from __future__ import annotations

from dataclasses import asdict

from api.cumulet.operations import forgetting, guest_passwords, joining, nodes, snapshots
from api.cumulet.schemas.nodes import CREATE_TOKEN, FORGET, JOIN
from api.cumulet.views.nodes import joined_body, node_body, token_body
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest

DEFAULT_LIFETIME_S = 600


def list_nodes(request: ApiRequest) -> Reply:
    now, down_after_s = request.services.clock.now(), request.services.config.scheduler.node_down_after_s
    found = nodes.list_nodes(request.services)
    return Reply({"nodes": [node_body(node, service, now, down_after_s) for node, service in found]})


def show(request: ApiRequest, node: str) -> Reply:
    now, down_after_s = request.services.clock.now(), request.services.config.scheduler.node_down_after_s
    return Reply({"node": node_body(*nodes.show(request.services, node), now, down_after_s)})


def forget(request: ApiRequest, node: str) -> Reply:
    validate(request.body, FORGET)
    return Reply({"forgotten": asdict(forgetting.forget(request.services, node))})


def image_file(request: ApiRequest, image_id: str) -> Reply:
    found = nodes.image_for_node(request.services, *_node(request), image_id)
    return Reply(
        headers={"Content-Length": str(found.size), "X-Image-Sha512": found.sha512},
        content_type="application/octet-stream",
        stream=found.stream,
    )


def receive_snapshot(request: ApiRequest, image_id: str) -> Reply:
    if request.stream is None:
        raise InvalidRequest("The body must be the image's bytes.")
    name, secret = _node(request)
    length = request.headers.get("Content-Length", "")
    announced = int(length) if length.isdecimal() else None
    snapshots.receive(request.services, name, secret, image_id, request.stream, announced)
    return Reply(status=204)


def guest_password(request: ApiRequest, server_id: str) -> Reply:
    return Reply({"password": guest_passwords.show(request.services, *_node(request), server_id)})


def leave_guest_password(request: ApiRequest, server_id: str) -> Reply:
    if request.stream is None:
        raise InvalidRequest("The body must be the password.")
    guest_passwords.leave(request.services, *_node(request), server_id, request.stream)
    return Reply(status=204)


def _node(request: ApiRequest) -> tuple[str, str]:
    """The name and the secret that an agent shows."""
    return request.headers.get("X-Cumulet-Node", ""), request.headers.get("X-Cumulet-Node-Secret", "")


def create_token(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_TOKEN)
    asked = request.body["token"]
    made = joining.create_token(
        request.services,
        request.context,
        node=asked["node"],
        lifetime_s=asked.get("lifetime_s", DEFAULT_LIFETIME_S),
        is_compute=asked.get("is_compute", True),
        is_gateway=asked.get("is_gateway", False),
    )
    return Reply({"token": token_body(made)}, 201, {"Cache-Control": "no-store"})


def join(request: ApiRequest) -> Reply:
    validate(request.body, JOIN)
    asked = request.body["join"]
    joined = joining.join(request.services, asked["token"], asked.get("address", ""))
    return Reply({"node": joined_body(joined, request.services.config)}, 200, {"Cache-Control": "no-store"})
