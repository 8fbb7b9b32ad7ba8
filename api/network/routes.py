"""The network API's table of contents: Neutron's v2.0."""

from __future__ import annotations

from typing import Any

from api.errors import network_form
from api.network.handlers import (
    address_groups,
    agents,
    auto_topology,
    conntrack_helpers,
    default_group_rules,
    dhcp_agents,
    flavors,
    floating_ips,
    l3_agents,
    local_ips,
    logs,
    metering,
    ndp_proxies,
    networks,
    port_forwardings,
    ports,
    qos,
    qos_rules,
    quotas,
    rbac_policies,
    routers,
    security_groups,
    segment_ranges,
    segments,
    service_providers,
    subnet_pools,
    subnets,
    tags,
    trunks,
    versions,
)
from api.policy import Rule
from api.routing import Api, Handler, Route

PREFIX = "/network/v2.0"


def _row(method: str, path: str, rule: Rule, handler: Handler, key: str) -> Route:
    return Route(method, path, None, None, None, rule, handler, f"network:{key}")


ROUTES = [
    _row("GET", "", Rule.AUTHENTICATED, versions.resources, "resources:list"),
    _row("GET", "/extensions", Rule.AUTHENTICATED, versions.extensions, "extensions:list"),
    _row("GET", "/extensions/<alias>", Rule.AUTHENTICATED, versions.extension, "extensions:show"),
    _row("GET", "/networks", Rule.READER, networks.index, "networks:list"),
    _row("POST", "/networks", Rule.MEMBER, networks.create, "networks:create"),
    _row("GET", "/networks/<network_id>", Rule.READER, networks.show, "networks:show"),
    _row("PUT", "/networks/<network_id>", Rule.MEMBER, networks.update, "networks:update"),
    _row("DELETE", "/networks/<network_id>", Rule.MEMBER, networks.delete, "networks:delete"),
    _row("GET", "/subnets", Rule.READER, subnets.index, "subnets:list"),
    _row("POST", "/subnets", Rule.MEMBER, subnets.create, "subnets:create"),
    _row("GET", "/subnets/<subnet_id>", Rule.READER, subnets.show, "subnets:show"),
    _row("PUT", "/subnets/<subnet_id>", Rule.MEMBER, subnets.update, "subnets:update"),
    _row("DELETE", "/subnets/<subnet_id>", Rule.MEMBER, subnets.delete, "subnets:delete"),
    _row("GET", "/ports", Rule.READER, ports.index, "ports:list"),
    _row("POST", "/ports", Rule.MEMBER, ports.create, "ports:create"),
    _row("GET", "/ports/<port_id>", Rule.READER, ports.show, "ports:show"),
    _row("PUT", "/ports/<port_id>", Rule.MEMBER, ports.update, "ports:update"),
    _row("DELETE", "/ports/<port_id>", Rule.MEMBER, ports.delete, "ports:delete"),
    _row("GET", "/security-groups", Rule.READER, security_groups.index, "security_groups:list"),
    _row("POST", "/security-groups", Rule.MEMBER, security_groups.create, "security_groups:create"),
    _row("GET", "/security-groups/<group_id>", Rule.READER, security_groups.show, "security_groups:show"),
    _row("PUT", "/security-groups/<group_id>", Rule.MEMBER, security_groups.update, "security_groups:update"),
    _row("DELETE", "/security-groups/<group_id>", Rule.MEMBER, security_groups.delete, "security_groups:delete"),
    _row("GET", "/security-group-rules", Rule.READER, security_groups.index_rules, "security_group_rules:list"),
    _row("POST", "/security-group-rules", Rule.MEMBER, security_groups.create_rule, "security_group_rules:create"),
    _row("GET", "/security-group-rules/<rule_id>", Rule.READER, security_groups.show_rule, "security_group_rules:show"),
    _row(
        "DELETE",
        "/security-group-rules/<rule_id>",
        Rule.MEMBER,
        security_groups.delete_rule,
        "security_group_rules:delete",
    ),
    _row("GET", "/routers", Rule.READER, routers.index, "routers:list"),
    _row("POST", "/routers", Rule.MEMBER, routers.create, "routers:create"),
    _row("GET", "/routers/<router_id>", Rule.READER, routers.show, "routers:show"),
    _row("PUT", "/routers/<router_id>", Rule.MEMBER, routers.update, "routers:update"),
    _row("DELETE", "/routers/<router_id>", Rule.MEMBER, routers.delete, "routers:delete"),
    _row(
        "PUT",
        "/routers/<router_id>/add_router_interface",
        Rule.MEMBER,
        routers.add_interface,
        "routers:add_router_interface",
    ),
    _row(
        "PUT",
        "/routers/<router_id>/remove_router_interface",
        Rule.MEMBER,
        routers.remove_interface,
        "routers:remove_router_interface",
    ),
    _row("PUT", "/routers/<router_id>/add_extraroutes", Rule.MEMBER, routers.add_routes, "routers:add_extraroutes"),
    _row(
        "PUT",
        "/routers/<router_id>/remove_extraroutes",
        Rule.MEMBER,
        routers.remove_routes,
        "routers:remove_extraroutes",
    ),
    _row("GET", "/routers/<router_id>/l3-agents", Rule.ADMIN, l3_agents.of_router, "routers:l3_agents"),
    _row("GET", "/agents/<agent_id>/l3-routers", Rule.ADMIN, l3_agents.routers_of, "agents:l3_routers:list"),
    _row("POST", "/agents/<agent_id>/l3-routers", Rule.ADMIN, l3_agents.add_router, "agents:l3_routers:create"),
    _row(
        "DELETE",
        "/agents/<agent_id>/l3-routers/<router_id>",
        Rule.ADMIN,
        l3_agents.remove_router,
        "agents:l3_routers:delete",
    ),
    _row("GET", "/networks/<network_id>/dhcp-agents", Rule.ADMIN, dhcp_agents.of_network, "networks:dhcp_agents"),
    _row("GET", "/agents/<agent_id>/dhcp-networks", Rule.ADMIN, dhcp_agents.networks_of, "agents:dhcp_networks:list"),
    _row(
        "POST", "/agents/<agent_id>/dhcp-networks", Rule.ADMIN, dhcp_agents.add_network, "agents:dhcp_networks:create"
    ),
    _row(
        "DELETE",
        "/agents/<agent_id>/dhcp-networks/<network_id>",
        Rule.ADMIN,
        dhcp_agents.remove_network,
        "agents:dhcp_networks:delete",
    ),
    _row("GET", "/floatingips", Rule.READER, floating_ips.index, "floatingips:list"),
    _row("POST", "/floatingips", Rule.MEMBER, floating_ips.create, "floatingips:create"),
    _row("GET", "/floatingips/<floatingip_id>", Rule.READER, floating_ips.show, "floatingips:show"),
    _row("PUT", "/floatingips/<floatingip_id>", Rule.MEMBER, floating_ips.update, "floatingips:update"),
    _row("DELETE", "/floatingips/<floatingip_id>", Rule.MEMBER, floating_ips.delete, "floatingips:delete"),
    _row(
        "GET",
        "/floatingips/<floatingip_id>/port_forwardings",
        Rule.READER,
        port_forwardings.index,
        "port_forwardings:list",
    ),
    _row(
        "POST",
        "/floatingips/<floatingip_id>/port_forwardings",
        Rule.MEMBER,
        port_forwardings.create,
        "port_forwardings:create",
    ),
    _row(
        "GET",
        "/floatingips/<floatingip_id>/port_forwardings/<port_forwarding_id>",
        Rule.READER,
        port_forwardings.show,
        "port_forwardings:show",
    ),
    _row(
        "PUT",
        "/floatingips/<floatingip_id>/port_forwardings/<port_forwarding_id>",
        Rule.MEMBER,
        port_forwardings.update,
        "port_forwardings:update",
    ),
    _row(
        "DELETE",
        "/floatingips/<floatingip_id>/port_forwardings/<port_forwarding_id>",
        Rule.MEMBER,
        port_forwardings.delete,
        "port_forwardings:delete",
    ),
    _row("GET", "/quotas", Rule.ADMIN, quotas.index, "quotas:list"),
    _row("GET", "/quotas/tenant", Rule.READER, quotas.own_project, "quotas:tenant"),
    _row("GET", "/quotas/project", Rule.READER, quotas.own_project, "quotas:project"),
    _row("GET", "/quotas/<project_id>", Rule.READER, quotas.show, "quotas:show"),
    _row("PUT", "/quotas/<project_id>", Rule.ADMIN, quotas.update, "quotas:update"),
    _row("DELETE", "/quotas/<project_id>", Rule.ADMIN, quotas.delete, "quotas:delete"),
    _row("GET", "/quotas/<project_id>/default", Rule.READER, quotas.default, "quotas:default"),
    _row("GET", "/quotas/<project_id>/details", Rule.READER, quotas.details, "quotas:details"),
    _row("GET", "/quotas/<project_id>/details.json", Rule.READER, quotas.details, "quotas:details_json"),
    _row("GET", "/availability_zones", Rule.READER, agents.zones, "availability_zones:list"),
    _row("GET", "/agents", Rule.ADMIN, agents.index, "agents:list"),
    _row("GET", "/agents/<agent_id>", Rule.ADMIN, agents.show, "agents:show"),
    _row("PUT", "/agents/<agent_id>", Rule.ADMIN, agents.update, "agents:update"),
    _row("GET", "/network-ip-availabilities", Rule.ADMIN, networks.availabilities, "ip_availabilities:list"),
    _row(
        "GET", "/network-ip-availabilities/<network_id>", Rule.ADMIN, networks.availability_of, "ip_availabilities:show"
    ),
]


def _crud(path: str, name: str, key: str, handlers: Any) -> list[Route]:
    """List, create, show, update and delete; `name`: of the path's parameter."""
    one = f"{path}/<{name}>"
    return [
        _row("GET", path, Rule.READER, handlers.index, f"{key}:list"),
        _row("POST", path, Rule.MEMBER, handlers.create, f"{key}:create"),
        _row("GET", one, Rule.READER, handlers.show, f"{key}:show"),
        _row("PUT", one, Rule.MEMBER, handlers.update, f"{key}:update"),
        _row("DELETE", one, Rule.MEMBER, handlers.delete, f"{key}:delete"),
    ]


_SCOPE, _POOL = "/address-scopes/<address_scope_id>", "/subnetpools/<subnetpool_id>"
_GROUP, _TRUNK = "/address-groups/<address_group_id>", "/trunks/<trunk_id>"
_TEMPLATE = "/default-security-group-rules"
SHARED_ROUTES = [
    *_crud("/rbac-policies", "rbac_policy_id", "rbac_policies", rbac_policies),
    *_crud("/address-groups", "address_group_id", "address_groups", address_groups),
    _row("PUT", f"{_GROUP}/add_addresses", Rule.MEMBER, address_groups.add_addresses, "address_groups:add"),
    _row("PUT", f"{_GROUP}/remove_addresses", Rule.MEMBER, address_groups.remove_addresses, "address_groups:remove"),
    *_crud("/subnetpools", "subnetpool_id", "subnetpools", subnet_pools),
    _row("PUT", f"{_POOL}/add_prefixes", Rule.MEMBER, subnet_pools.add_prefixes, "subnetpools:add_prefixes"),
    _row("PUT", f"{_POOL}/remove_prefixes", Rule.MEMBER, subnet_pools.remove_prefixes, "subnetpools:remove_prefixes"),
    _row("GET", "/address-scopes", Rule.READER, subnet_pools.index_scopes, "address_scopes:list"),
    _row("POST", "/address-scopes", Rule.MEMBER, subnet_pools.create_scope, "address_scopes:create"),
    _row("GET", _SCOPE, Rule.READER, subnet_pools.show_scope, "address_scopes:show"),
    _row("PUT", _SCOPE, Rule.MEMBER, subnet_pools.update_scope, "address_scopes:update"),
    _row("DELETE", _SCOPE, Rule.MEMBER, subnet_pools.delete_scope, "address_scopes:delete"),
    *_crud("/qos/policies", "policy_id", "qos_policies", qos),
    *qos_rules.routes(),
    _row("GET", "/qos/rule-types", Rule.READER, qos_rules.rule_types, "qos_rule_types:list"),
    _row("GET", "/qos/rule-types/<rule_type_name>", Rule.ADMIN, qos_rules.rule_type, "qos_rule_types:show"),
    *_crud("/trunks", "trunk_id", "trunks", trunks),
    _row("GET", f"{_TRUNK}/get_subports", Rule.READER, trunks.subports, "trunks:subports"),
    _row("PUT", f"{_TRUNK}/add_subports", Rule.MEMBER, trunks.add_subports, "trunks:add_subports"),
    _row("PUT", f"{_TRUNK}/remove_subports", Rule.MEMBER, trunks.remove_subports, "trunks:remove_subports"),
    _row("GET", _TEMPLATE, Rule.READER, default_group_rules.index, "default_group_rules:list"),
    _row("POST", _TEMPLATE, Rule.ADMIN, default_group_rules.create, "default_group_rules:create"),
    _row("GET", f"{_TEMPLATE}/<default_rule_id>", Rule.READER, default_group_rules.show, "default_group_rules:show"),
    _row(
        "DELETE", f"{_TEMPLATE}/<default_rule_id>", Rule.ADMIN, default_group_rules.delete, "default_group_rules:delete"
    ),
    *tags.routes(),
]
_FLAVOR, _PROFILE = "/flavors/<router_flavor_id>", "/service_profiles/<service_profile_id>"
_LABEL, _LABEL_RULE = "/metering/metering-labels", "/metering/metering-label-rules"
_LED_TO = "/local_ips/<local_ip_id>/port_associations"
_RANGE, _TOPOLOGY = "/network_segment_ranges/<segment_range_id>", "/auto-allocated-topology/<topology_project_id>"
ARRANGED_ROUTES = [
    _row("GET", "/network_segment_ranges", Rule.ADMIN, segment_ranges.index, "segment_ranges:list"),
    _row("POST", "/network_segment_ranges", Rule.ADMIN, segment_ranges.create, "segment_ranges:create"),
    _row("GET", _RANGE, Rule.ADMIN, segment_ranges.show, "segment_ranges:show"),
    _row("PUT", _RANGE, Rule.ADMIN, segment_ranges.update, "segment_ranges:update"),
    _row("DELETE", _RANGE, Rule.ADMIN, segment_ranges.delete, "segment_ranges:delete"),
    _row("GET", "/segments", Rule.ADMIN, segments.index, "segments:list"),
    _row("GET", "/segments/<segment_id>", Rule.ADMIN, segments.show, "segments:show"),
    _row("PUT", "/segments/<segment_id>", Rule.ADMIN, segments.update, "segments:update"),
    _row("GET", "/flavors", Rule.READER, flavors.index, "flavors:list"),
    _row("POST", "/flavors", Rule.ADMIN, flavors.create, "flavors:create"),
    _row("GET", _FLAVOR, Rule.READER, flavors.show, "flavors:show"),
    _row("PUT", _FLAVOR, Rule.ADMIN, flavors.update, "flavors:update"),
    _row("DELETE", _FLAVOR, Rule.ADMIN, flavors.delete, "flavors:delete"),
    _row("POST", f"{_FLAVOR}/service_profiles", Rule.ADMIN, flavors.bind, "flavors:add_profile"),
    _row(
        "DELETE",
        f"{_FLAVOR}/service_profiles/<service_profile_id>",
        Rule.ADMIN,
        flavors.unbind,
        "flavors:remove_profile",
    ),
    _row("GET", "/service_profiles", Rule.ADMIN, flavors.index_profiles, "service_profiles:list"),
    _row("POST", "/service_profiles", Rule.ADMIN, flavors.create_profile, "service_profiles:create"),
    _row("GET", _PROFILE, Rule.ADMIN, flavors.show_profile, "service_profiles:show"),
    _row("PUT", _PROFILE, Rule.ADMIN, flavors.update_profile, "service_profiles:update"),
    _row("DELETE", _PROFILE, Rule.ADMIN, flavors.delete_profile, "service_profiles:delete"),
    _row("GET", _LABEL, Rule.ADMIN, metering.index, "metering_labels:list"),
    _row("POST", _LABEL, Rule.ADMIN, metering.create, "metering_labels:create"),
    _row("GET", f"{_LABEL}/<metering_label_id>", Rule.ADMIN, metering.show, "metering_labels:show"),
    _row("DELETE", f"{_LABEL}/<metering_label_id>", Rule.ADMIN, metering.delete, "metering_labels:delete"),
    _row("GET", _LABEL_RULE, Rule.ADMIN, metering.index_rules, "metering_label_rules:list"),
    _row("POST", _LABEL_RULE, Rule.ADMIN, metering.create_rule, "metering_label_rules:create"),
    _row("GET", f"{_LABEL_RULE}/<metering_rule_id>", Rule.ADMIN, metering.show_rule, "metering_label_rules:show"),
    _row(
        "DELETE", f"{_LABEL_RULE}/<metering_rule_id>", Rule.ADMIN, metering.delete_rule, "metering_label_rules:delete"
    ),
    _row("GET", "/log/logs", Rule.ADMIN, logs.index, "logs:list"),
    _row("POST", "/log/logs", Rule.ADMIN, logs.create, "logs:create"),
    _row("GET", "/log/logs/<log_id>", Rule.ADMIN, logs.show, "logs:show"),
    _row("PUT", "/log/logs/<log_id>", Rule.ADMIN, logs.update, "logs:update"),
    _row("DELETE", "/log/logs/<log_id>", Rule.ADMIN, logs.delete, "logs:delete"),
    _row("GET", "/log/loggable-resources", Rule.ADMIN, logs.loggable, "loggable_resources:list"),
    *_crud("/ndp_proxies", "ndp_proxy_id", "ndp_proxies", ndp_proxies),
    *_crud("/routers/<router_id>/conntrack_helpers", "conntrack_helper_id", "conntrack_helpers", conntrack_helpers),
    *_crud("/local_ips", "local_ip_id", "local_ips", local_ips),
    _row("GET", _LED_TO, Rule.READER, local_ips.associations, "local_ip_associations:list"),
    _row("POST", _LED_TO, Rule.MEMBER, local_ips.associate, "local_ip_associations:create"),
    _row("GET", f"{_LED_TO}/<fixed_port_id>", Rule.READER, local_ips.association_of, "local_ip_associations:show"),
    _row("DELETE", f"{_LED_TO}/<fixed_port_id>", Rule.MEMBER, local_ips.dissociate, "local_ip_associations:delete"),
    _row("GET", "/service-providers", Rule.READER, service_providers.index, "service_providers:list"),
    _row("GET", "/floatingip_pools", Rule.READER, floating_ips.pools, "floatingip_pools:list"),
    _row("GET", _TOPOLOGY, Rule.MEMBER, auto_topology.show, "auto_topology:show"),
    _row("DELETE", _TOPOLOGY, Rule.MEMBER, auto_topology.delete, "auto_topology:delete"),
]
ROUTES += SHARED_ROUTES + ARRANGED_ROUTES
VERSION_ROUTES = [
    Route("GET", "", None, None, None, Rule.PUBLIC, versions.versions, "network:versions:list"),
]

APIS = [
    Api(name="network", prefix=PREFIX, routes=ROUTES, error_form=network_form, either_dash=True),
    Api(name="network-versions", prefix="/network", routes=VERSION_ROUTES, error_form=network_form),
]
