"""Nodes for operators, image bytes for agents."""

from __future__ import annotations

from api.cumulet.operations import nodes
from api.cumulet.views.nodes import node_body
from api.request import ApiRequest, Reply


def list_nodes(request: ApiRequest) -> Reply:
    now, down_after_s = request.services.clock.now(), request.services.config.scheduler.node_down_after_s
    found = nodes.list_nodes(request.services)
    return Reply({"nodes": [node_body(node, service, now, down_after_s) for node, service in found]})


def show(request: ApiRequest, node: str) -> Reply:
    now, down_after_s = request.services.clock.now(), request.services.config.scheduler.node_down_after_s
    return Reply({"node": node_body(*nodes.show(request.services, node), now, down_after_s)})


def image_file(request: ApiRequest, image_id: str) -> Reply:
    headers = request.headers
    found = nodes.image_for_node(
        request.services, headers.get("X-Cumulet-Node", ""), headers.get("X-Cumulet-Node-Secret", ""), image_id
    )
    return Reply(
        headers={"Content-Length": str(found.size), "X-Image-Sha512": found.sha512},
        content_type="application/octet-stream",
        stream=found.stream,
    )
