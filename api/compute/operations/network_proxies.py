"""Networks and security groups through compute's own API (until 2.35): the network service's operations, in Nova's words.

Nova answered what the network service refuses as in conflict with 400, and quota with 403.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from api.compute.operations.server_security_groups import GroupWithRules
from api.network.operations import security_group_rules, security_groups
from api.network.operations.security_groups import ShownGroup
from api.request import ApiRequest
from common.db import networks
from common.db import security_groups as group_rows
from common.db.models import Network, SecurityGroupRule
from common.db.paging import Page
from common.errors import Conflict, InvalidRequest, QuotaExceeded


@dataclass(frozen=True)
class RuleOfGroup:
    rule: SecurityGroupRule
    remote_names: dict[str, str]


@contextmanager
def in_nova_words() -> Iterator[None]:
    try:
        yield
    except QuotaExceeded as err:
        facts = {key: value for key, value in err.facts.items() if key not in ("neutron_type", "http_status")}
        raise QuotaExceeded(err.message, **facts) from err
    except Conflict as err:
        raise InvalidRequest(err.message) from err


def list_networks(request: ApiRequest) -> list[Network]:
    """The networks that the caller may see."""
    everything = Page(limit=request.services.config.api.max_limit)
    with request.services.db.read() as session:
        return networks.list_(session, request.context, {}, everything)


def show_network(request: ApiRequest, network_id: str) -> Network:
    """Raises NotFound."""
    with request.services.db.read() as session:
        return networks.get_visible(session, network_id, request.context)


def list_groups(request: ApiRequest, *, every_project: bool, limit: int, offset: int) -> list[GroupWithRules]:
    """The project's groups, its default one among them; administrators may see all projects'."""
    own = {} if every_project and request.context.is_admin else {"project_id": [request.context.project_id or ""]}
    found = security_groups.list_(request, own, Page(limit=request.services.config.api.max_limit))
    return _with_names(request, found[offset : offset + limit])


def show_group(request: ApiRequest, group_id: str) -> GroupWithRules:
    """Raises NotFound."""
    return _with_names(request, [security_groups.show(request, group_id)])[0]


def create_group(request: ApiRequest, name: str, description: str) -> GroupWithRules:
    """Raises InvalidRequest, QuotaExceeded."""
    body = {"project_id": request.context.project_id, "name": name, "description": description}
    with in_nova_words():
        return _with_names(request, security_groups.create(request, [body]))[0]


def update_group(request: ApiRequest, group_id: str, changes: dict[str, Any]) -> GroupWithRules:
    """Raises NotFound, InvalidRequest for the default group."""
    with in_nova_words():
        return _with_names(request, [security_groups.update(request, group_id, changes)])[0]


def delete_group(request: ApiRequest, group_id: str) -> None:
    """Raises NotFound, InvalidRequest for a group in use or the default one."""
    with in_nova_words():
        security_groups.delete(request, group_id)


def create_rule(request: ApiRequest, asked: dict[str, Any]) -> RuleOfGroup:
    """A rule for what comes in; from everywhere when neither cidr nor group_id says where from.

    Raises NotFound for the group, InvalidRequest, QuotaExceeded.
    """
    cidr, remote = asked.get("cidr"), asked.get("group_id")
    if not cidr and not remote:
        cidr = "0.0.0.0/0"
    low, high = (
        None if port in (None, -1) else port for port in (_number(asked, "from_port"), _number(asked, "to_port"))
    )
    if asked.get("ip_protocol") is None and (asked.get("from_port") is None) != (asked.get("to_port") is None):
        raise InvalidRequest("Valid port ranges need both from_port and to_port.")
    body = {
        "security_group_id": asked["parent_group_id"], "direction": "ingress", "protocol": asked.get("ip_protocol"),
        "ethertype": "IPv6" if ":" in str(cidr) else "IPv4", "port_range_min": low, "port_range_max": high,
        "remote_ip_prefix": None if remote else cidr, "remote_group_id": remote,
    }  # fmt: skip
    with in_nova_words():
        made = security_group_rules.create(request, [body])[0][0]
    return RuleOfGroup(made, _names(request, [made]))


def delete_rule(request: ApiRequest, rule_id: str) -> None:
    """Raises NotFound."""
    with in_nova_words():
        security_group_rules.delete(request, rule_id)


def _number(asked: dict[str, Any], key: str) -> int | None:
    value = asked.get(key)
    number = None if value is None else int(value)
    if number is not None and not -1 <= number <= 65535:
        raise InvalidRequest(f"Invalid input for field/attribute {key}. Value: {value}. -1 to 65535 is needed.")
    return number


def _with_names(request: ApiRequest, found: Sequence[ShownGroup]) -> list[GroupWithRules]:
    names = _names(request, [rule for each in found for rule in each.rules])
    return [GroupWithRules(each.group, each.rules, names) for each in found]


def _names(request: ApiRequest, rules: Sequence[SecurityGroupRule]) -> dict[str, str]:
    """Names of the groups that rules name as remote, in one statement."""
    remotes = sorted({rule.remote_group_id for rule in rules if rule.remote_group_id})
    if not remotes:
        return {}
    with request.services.db.read() as session:
        everything = Page(limit=request.services.config.api.max_limit)
        found = group_rows.list_groups(session, request.context, {"id": remotes}, everything)
        return {group.id: group.name for group in found}
