"""Security group rules: in one normal form or refused; none that a node can't enforce is ever stored (NET-03)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations.common import check_owner
from api.network.problems import check_revision, neutron_quota
from api.request import ApiRequest
from common import protocols
from common.db import network_quota, security_groups, sharing
from common.db.filters import Filters
from common.db.group_rules import NewRule
from common.db.models import SecurityGroupRule
from common.db.paging import Page
from common.db.rbac_policies import ADDRESS_GROUP
from common.errors import InvalidRequest

_ETHERTYPES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> tuple[list[SecurityGroupRule], set[str]]:
    """All or none; all of one group. The rules, and their group if it is a default one."""
    services = request.services
    limits, now = network_quota.defaults(services.config.quota), services.clock.now()
    rules = [normalise(body) for body in bodies]
    group_ids = {body["security_group_id"] for body in bodies}
    if len(group_ids) != 1:
        raise _refused(
            "Only allowed to update rules for one security profile at a time", "SecurityGroupNotSingleGroupRules"
        )
    group_id = group_ids.pop()

    def work(session: Session) -> tuple[list[SecurityGroupRule], set[str]]:
        remotes = [rule.remote_group_id for rule in rules if rule.remote_group_id]
        security_groups.check_usable(session, remotes, request.context)
        for address_group in {rule.remote_address_group_id for rule in rules if rule.remote_address_group_id}:
            sharing.get_visible(session, ADDRESS_GROUP, address_group, request.context, lock=True)
        group = security_groups.get_visible(session, group_id, request.context, lock=True)
        if not request.context.owns(group.project_id):
            raise security_groups.group_not_found(group_id)
        default = {group.id} if group.default_of is not None else set()
        return security_groups.add_rules(session, group, rules, now, limits), default

    with neutron_quota():
        return services.db.run(work)


def list_(request: ApiRequest, filters: Filters, page: Page) -> tuple[list[SecurityGroupRule], set[str]]:
    """The rules, and which of their groups are some project's default."""
    with request.services.db.read() as session:
        rows = security_groups.list_rules(session, request.context, filters, page)
        return rows, security_groups.default_ids(session, sorted({row.security_group_id for row in rows}))


def show(request: ApiRequest, rule_id: str) -> tuple[SecurityGroupRule, set[str]]:
    with request.services.db.read() as session:
        rule = security_groups.get_rule(session, rule_id, request.context)
        return rule, security_groups.default_ids(session, [rule.security_group_id])


def delete(request: ApiRequest, rule_id: str) -> None:
    now = request.services.clock.now()

    def work(session: Session) -> None:
        rule = security_groups.get_rule(session, rule_id, request.context)
        check_owner(request.context, rule.project_id, "delete_security_group_rule")
        check_revision(request.headers, rule.revision_number)
        security_groups.delete_rule(session, rule, now)

    request.services.db.run(work)


def normalise(body: dict[str, Any]) -> NewRule:
    """The rule a body describes, in normal form. Raises InvalidRequest with Neutron's words for each thing wrong."""
    ethertype = _ethertype(body.get("ethertype"))
    protocol = _protocol(body.get("protocol"), ethertype)
    low, high = _port(body.get("port_range_min")), _port(body.get("port_range_max"))
    _check_range(protocol, low, high)
    prefix, group = body.get("remote_ip_prefix") or None, body.get("remote_group_id") or None
    addresses = body.get("remote_address_group_id") or None
    if sum(1 for remote in (prefix, group, addresses) if remote) > 1:
        raise _refused(
            "Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            "SecurityGroupMultipleRemoteIds" if addresses else "SecurityGroupRemoteGroupAndRemoteIpPrefix",
        )
    return NewRule(
        direction=body["direction"],
        ethertype=ethertype,
        protocol=protocol,
        port_range_min=low,
        port_range_max=high,
        remote_ip_prefix=_prefix(prefix, ethertype) if prefix else None,
        remote_group_id=group,
        description=body.get("description") or "",
        remote_address_group_id=addresses,
    )


def _refused(message: str, neutron_type: str) -> InvalidRequest:
    return InvalidRequest(message, neutron_type=neutron_type)


def _ethertype(asked: str | None) -> str:
    found = _ETHERTYPES.get((asked or "IPv4").lower())
    if found is None:
        raise _refused(
            f"Security group rule for ethertype '{asked}' not supported. Allowed values are ['IPv4', 'IPv6'].",
            "SecurityGroupRuleInvalidEtherType",
        )
    return found


def _protocol(asked: str | int | None, ethertype: str) -> str | None:
    text = str(asked if asked is not None else "").lower()
    if text in ("", "any", "-1"):
        return None
    try:
        number = protocols.number(text)
    except ValueError as err:
        raise _refused(
            f"Security group rule protocol {asked} not supported. Only protocol values {sorted(protocols.NUMBERS)} and "
            f"integer representations [0 to 255] are supported.",
            "SecurityGroupRuleInvalidProtocol",
        ) from err
    if ethertype == "IPv6" and number == protocols.ICMP:
        return "ipv6-icmp"  # what Neutron's clients mean by `icmp` there
    if ethertype == "IPv4" and (text in protocols.IPV6_ONLY or number == protocols.ICMPV6):
        raise _refused(
            f"Invalid ethertype {ethertype} for protocol {text}.", "SecurityGroupEthertypeConflictWithProtocol"
        )
    return text if text in protocols.NUMBERS else str(number)


def _port(asked: str | int | None) -> int | None:
    if asked is None:
        return None
    number = int(asked)
    if not 0 <= number <= 65535:
        raise _refused(f"Invalid value for port {asked}", "SecurityGroupInvalidPortValue")
    return number


def _check_range(protocol: str | None, low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    number = protocols.number(protocol)
    if number is None:
        raise _refused("Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts")
    if number in (protocols.ICMP, protocols.ICMPV6):
        _check_icmp(low, high)
        return
    if number not in protocols.WITH_PORTS:
        raise _refused(
            f"Ports cannot be specified for protocol {protocol}. Ports can be only specified for protocols "
            f"{sorted(name for name, value in protocols.NUMBERS.items() if value in protocols.WITH_PORTS)}.",
            "SecurityGroupInvalidProtocolForPort",
        )
    if low == 0 or high == 0:
        raise _refused("Invalid value for port 0", "SecurityGroupInvalidPortValue")
    if low is None or high is None or low > high:
        raise _refused(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max", "SecurityGroupInvalidPortRange"
        )


def _check_icmp(low: int | None, high: int | None) -> None:
    for field, name, value in (("type", "port_range_min", low), ("code", "port_range_max", high)):
        if value is not None and value > 255:
            raise _refused(
                f"Invalid value for ICMP {field} ({name}) {value}. It must be 0 to 255.",
                "SecurityGroupInvalidIcmpValue",
            )
    if low is None:
        raise _refused(
            f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
            "SecurityGroupMissingIcmpType",
        )


def _prefix(text: str, ethertype: str) -> str:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as err:
        raise _refused(f"Invalid CIDR {text} given as IP prefix.", "InvalidCIDR") from err
    if (interface.version == 6) != (ethertype == "IPv6"):
        raise _refused(f"Conflicting value ethertype {ethertype} for CIDR {text}", "SecurityGroupRuleParameterConflict")
    return str(interface)
