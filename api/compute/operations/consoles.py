"""Consoles of servers: an address that opens one, once, for the user who asked (CON-01, CON-02)."""

from __future__ import annotations

from urllib.parse import quote

from api.compute.operations.servers import check_not_locked
from api.request import Services
from common import console_urls
from common.context import RequestContext
from common.db import console_tokens, instances, node_life
from common.db.models import ConsoleToken
from common.errors import Conflict, NotFound, StateConflict
from common.rpc.queries_v1 import ConsoleBoot, ConsoleKind
from common.states import WITH_CONSOLE

PAGE = "vnc_lite.html"


def address(services: Services, context: RequestContext, server_id: str, kind: ConsoleKind) -> str:
    """Raises NotFound, Conflict for a server that is locked or whose node is down or silent, StateConflict for one that
    does not run."""
    now = services.clock.now()
    with services.db.read() as session:
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        node, down = instance.node_name, node_life.is_down(session, instance.node_id or "", now)
    if node is None or instance.vm_state not in WITH_CONSOLE:
        raise StateConflict(f"Instance {server_id} is not ready", vm_state=instance.vm_state)
    if down:
        raise Conflict(f"Instance {server_id} is not ready: the host it is on is down.")
    answer = services.bus.ask(node, ConsoleBoot(instance_id=server_id))
    if answer.error_code:
        raise Conflict(f"Instance {server_id} is not ready: {answer.message}")
    ttl_s = services.config.console.token_ttl_s
    token = services.db.run(lambda s: console_tokens.give(s, instance, answer.text, kind, context, now, ttl_s))
    path = f"?token={token}"
    base = console_urls.for_browsers(services.config)
    if kind is ConsoleKind.SERIAL:
        return f"{console_urls.as_websocket(base)}/{path}"
    return f"{base}/{PAGE}?path={quote(path, safe='')}"


def describe(services: Services, token: str) -> ConsoleToken:
    """Raises NotFound for a token that opens nothing (any more)."""
    with services.db.read() as session:
        found = console_tokens.find(session, token, services.clock.now())
    if found is None:
        raise NotFound("Token not found")
    return found
