"""How a machine becomes a node: an administrator makes a token, the agent trades it for its credentials.

The token is all that a stranger lacks, so it is short-lived, used once, and guesses at it are counted (OPS-03). What the
node gets is its own: a second join under the same name renews it and cuts off whoever held the old credentials.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from api.request import Services
from common import log
from common.context import RequestContext
from common.db import login_failures, node_tokens, nodes
from common.db.models import NodeToken
from common.db.node_tokens import NewToken
from common.errors import BusUnavailable, ConfigError, Conflict, RateLimited, Unauthenticated
from common.ids import new_id
from common.rpc import credentials
from common.rpc.broker import Broker
from common.secret import Secret

logger = logging.getLogger(__name__)
REFUSED = "The token is not valid: it is wrong, has been used, or has expired. Make a new one."


@dataclass(frozen=True)
class Joined:
    """What a new node is told, once. bus_ca: certificates in PEM that may sign the broker's, "" for the system's."""

    name: str
    image_secret: Secret
    bus_url: Secret
    bus_ca: str
    is_compute: bool
    is_gateway: bool


def create_token(
    services: Services, context: RequestContext, *, node: str, lifetime_s: int, is_compute: bool, is_gateway: bool
) -> NewToken:
    """Raises Conflict when nodes can't join this cloud."""
    _node_url(services, node, Secret(""))
    made = services.db.run(
        lambda session: node_tokens.create(
            session,
            node_name=node,
            lifetime_s=lifetime_s,
            is_compute=is_compute,
            is_gateway=is_gateway,
            user_id=context.user_id or "",
            now=services.clock.now(),
        )
    )
    log.event(logger, "node_token.created", node=node, token_id=made.id, expires_at=made.expires_at.isoformat())
    return made


def join(services: Services, text: str, address: str) -> Joined:
    """Trade a token for a node's credentials. Raises Unauthenticated, RateLimited, Conflict."""
    _check_attempts(services, text)
    image_secret, password = Secret(secrets.token_urlsafe(32)), credentials.make_password()
    broker_hash = credentials.password_hash(password)
    token = services.db.run(lambda session: _admit(services, session, text, address, image_secret, broker_hash))
    if token is None:
        services.db.run(lambda session: login_failures.record(session, _key(session, text), services.clock.now()))
        log.event(logger, "node_token.refused", logging.WARNING, token_id=node_tokens.id_of(text))
        raise Unauthenticated(REFUSED)
    name = token.node_name
    url = _node_url(services, name, password)
    log.event(logger, "node.joined", node=name, token_id=token.id, address=address)
    try:
        Broker(services.config.bus, services.bus.transport).ensure_node(name, broker_hash)
    except BusUnavailable as err:  # the schedulers' reconciler will; the agent tries until then
        log.event(logger, "node.user_not_made_yet", logging.WARNING, node=name, reason=err.message, detail=err.detail)
    ca_file = services.config.bus.ca_file
    return Joined(
        name=name,
        image_secret=image_secret,
        bus_url=url,
        bus_ca=Path(ca_file).read_text() if ca_file else "",
        is_compute=token.is_compute,
        is_gateway=token.is_gateway,
    )


def _admit(
    services: Services, session: Session, text: str, address: str, image_secret: Secret, broker_hash: str
) -> NodeToken | None:
    """Token, node and both hashes in one transaction: a token is used up only if the node is enrolled."""
    now = services.clock.now()
    token = node_tokens.redeem(session, text, now)
    if token is None:
        return None
    _node_url(services, token.node_name, Secret(""))
    node = nodes.enrol(
        session,
        node_id=new_id(),
        name=token.node_name,
        address=address,
        secret_hash=hashlib.sha256(image_secret.reveal().encode()).hexdigest(),
        config=services.config.scheduler,
        now=now,
        is_compute=token.is_compute,
        is_gateway=token.is_gateway,
    )
    node_tokens.set_broker_password(session, node.id, broker_hash)
    return token


def _check_attempts(services: Services, text: str) -> None:
    """Raises RateLimited. A valid token is refused only when its own id was guessed at; a flood of others can't do that."""
    with services.db.read() as session:
        state = login_failures.state_of(session, _key(session, text), services.clock.now())
    if state is login_failures.State.BLOCKED:
        raise RateLimited("Too many wrong tokens; try again later.", retry_after_s=int(login_failures.FIRST_BLOCK_S))


def _key(session: Session, text: str) -> str:
    known = node_tokens.exists(session, text)
    return login_failures.account_key("node_token", node_tokens.id_of(text) if known else "unknown")


def _node_url(services: Services, node: str, password: Secret) -> Secret:
    """Raises Conflict where a node can't be given a user of its own."""
    config = services.config.bus
    if not config.management_url:
        raise Conflict(
            "Nodes can't join this cloud: [bus] management_url is not set, so that no broker users can be made. Set it,"
            " or use `cumulet node enrol` where the services run."
        )
    try:
        return credentials.node_url(config, node, password)
    except ConfigError as err:
        raise Conflict(f"Nodes can't join this cloud: {err.message}") from err
