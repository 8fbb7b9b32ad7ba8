"""Answers metadata requests: (network, source address) -> port -> instance -> document.

Identity comes from where the request came in and from its source address, which the port's filters vouch for; nothing
the guest writes takes part (META-01). Nothing is cached, so an address that has a new owner never shows the former
one's documents (META-03).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from common.log import event
from common.rpc.compute_v1 import InstanceSpec, PortSpec
from compute_agent.metadata import documents
from compute_agent.networking.base import MetadataPeer

RANDOM_SEED_BYTES = 512

PortAt = Callable[[str, str], PortSpec | None]
InstanceSpecOf = Callable[[str], InstanceSpec | None]
Answer = tuple[int, str, bytes]

logger = logging.getLogger(__name__)


class MetadataService:
    """`answer` is a compute_agent.networking.base.MetadataHandler."""

    def __init__(self, *, port_at: PortAt, instance_spec: InstanceSpecOf, domain: str) -> None:
        self._port_at = port_at
        self._instance_spec = instance_spec
        self._domain = domain

    def answer(self, peer: MetadataPeer, method: str, path: str) -> Answer:
        if method not in ("GET", "HEAD"):
            return 405, documents.TEXT, b"only GET and HEAD\n"
        port = self._port_at(peer.network_id, peer.address)
        spec = self._instance_spec(port.instance_id) if port is not None else None
        if port is None or spec is None or spec.id != port.instance_id:
            event(logger, "metadata.unknown_guest", network_id=peer.network_id, address=peer.address)
            return 404, documents.TEXT, b"not found\n"
        facts = documents.facts_of(spec, domain=self._domain, random_seed=secrets.token_bytes(RANDOM_SEED_BYTES))
        document = documents.find(facts, path)
        if document is None:
            return 404, documents.TEXT, b"not found\n"
        return 200, document.content_type, document.body
