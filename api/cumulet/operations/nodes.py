"""Nodes for operators, and image bytes for the nodes' agents."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy.orm import Session

from api.image.operations.downloads import Download, open_bytes
from api.request import Services
from common.db import image_prefetches, images, nodes
from common.db.images import ImageStatus
from common.db.models import Node, Service
from common.errors import NotFound, Unauthenticated


def list_nodes(services: Services) -> list[tuple[Node, Service]]:
    with services.db.read() as session:
        return nodes.with_services(session)


def show(services: Services, name_or_id: str) -> tuple[Node, Service]:
    """Raises NotFound."""
    for node, service in list_nodes(services):
        if name_or_id in (node.name, node.id):
            return node, service
    raise NotFound(f"Node {name_or_id[:255]} could not be found.")


def authenticated(session: Session, name: str, secret: str) -> Node:
    """The node that shows its secret. Raises Unauthenticated, for an unknown node and for a wrong secret alike."""
    shown_hash = hashlib.sha256(secret.encode()).hexdigest()
    node = nodes.by_name(session, name) if name else None
    known_hash = node.secret_hash if node else ""
    if not hmac.compare_digest(shown_hash, known_hash) or node is None:
        raise Unauthenticated("The node is not known here, or its secret is another one.")
    return node


def image_for_node(services: Services, name: str, secret: str, image_id: str) -> Download:
    """The bytes of an image for an agent that needs it now (security case IMG-19).

    Raises Unauthenticated for an unknown node or a wrong secret alike; NotFound unless the image is active and an
    instance on the node, or an open operation with a claim there, was made from it, or it is wanted in the node's cache.
    """
    with services.db.read() as session:
        node = authenticated(session, name, secret)
        image = images.get(session, image_id)
        needed = image_prefetches.is_wanted(session, image.id, node.id) or images.is_needed_by_node(
            session, image.id, node.id
        )
        if image.status != ImageStatus.ACTIVE or not needed:
            raise NotFound(f"No image found with ID {image_id[:64]}")
    return open_bytes(services, image)
