"""/agents and /availability_zones."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from api.network import listing, short_lists
from api.network.resource import BOOLEAN, TEXT, as_boolean
from api.network.views.agents import agent, dhcp_agent, l3_agent
from api.request import ApiRequest, Reply
from api.schema import Schema, obj, validate
from common.db import network_agents
from common.errors import Conflict, NotFound

AGENT: Schema = obj(
    {"agent": obj({"description": {"anyOf": [TEXT, {"type": "null"}]}, "admin_state_up": BOOLEAN})}, ("agent",)
)
_FILTERS = ("id", "host", "agent_type", "binary", "alive", "admin_state_up", "topic", "availability_zone")


def index(request: ApiRequest) -> Reply:
    return short_lists.reply(request, _FILTERS, "agents", _agents(request, None))


def show(request: ApiRequest, agent_id: str) -> Reply:
    found = _agents(request, agent_id)
    if not found:
        raise _not_found(agent_id)
    return listing.single(request, "agent", found[0])


def update(request: ApiRequest, agent_id: str) -> Reply:
    """A description. What an agent serves follows from the ports of its node, so that it can't be taken out here."""
    validate(request.body, AGENT)
    asked, found = request.body["agent"], _agents(request, agent_id)
    if not found:
        raise _not_found(agent_id)
    if not as_boolean(asked.get("admin_state_up", True)):
        raise Conflict(
            f"Agent {agent_id} can't be taken out of service by itself: disable the compute service of node "
            f"{found[0]['host']}, and new servers will be placed elsewhere."
        )
    if "description" in asked:
        text = asked["description"] or ""
        request.services.db.run(lambda session: _describe(session, agent_id, text))
    return show(request, agent_id)


def _describe(session: Session, agent_id: str, text: str) -> None:
    node_id = network_agents.node_of(session, agent_id)
    if node_id is None:
        raise _not_found(agent_id)
    network_agents.describe(session, node_id, text)


def _not_found(agent_id: str) -> NotFound:
    return NotFound(f"Agent {agent_id} could not be found.", neutron_type="AgentNotFound")


def _agents(request: ApiRequest, agent_id: str | None) -> list[dict[str, Any]]:
    """Every node, once more as a DHCP agent and, if it is a gateway, as an L3 agent; or the agent with this id."""
    services = request.services
    now, down_after_s = services.clock.now(), services.config.scheduler.node_down_after_s
    with services.db.read() as session:
        rows = network_agents.list_(session)
    found = [agent(row, now, down_after_s) for row in rows]
    found += [dhcp_agent(row, now, down_after_s) for row in rows]
    found += [l3_agent(row, now, down_after_s) for row in rows if row.is_gateway]
    return [each for each in found if agent_id in (None, each["id"])]


def zones(request: ApiRequest) -> Reply:
    known = [{"name": "nova", "resource": kind, "state": "available"} for kind in ("network", "router")]
    return short_lists.reply(request, ("name", "resource", "state"), "availability_zones", known)
