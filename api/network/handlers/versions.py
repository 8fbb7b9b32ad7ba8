"""Version documents, the resources of v2.0, and the extensions that are really there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.network import listing
from api.request import ApiRequest, Reply
from common.errors import NotFound

COLLECTIONS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "security_group": "security-groups",
    "security_group_rule": "security-group-rules",
    "router": "routers",
    "floatingip": "floatingips",
}


@dataclass(frozen=True)
class Extension:
    alias: str
    name: str
    description: str
    updated: str


EXTENSIONS = (
    Extension("agent", "agent", "The agents of the nodes.", "2013-02-03T10:00:00-00:00"),
    Extension(
        "allowed-address-pairs",
        "Allowed Address Pairs",
        "Further addresses a port may send from.",
        "2013-07-23T10:00:00-00:00",
    ),
    Extension("availability_zone", "Availability Zone", "Availability zones.", "2015-01-01T10:00:00-00:00"),
    Extension("binding", "Port Binding", "Where a port is plugged.", "2014-02-03T10:00:00-00:00"),
    Extension("dns-integration", "DNS Integration", "Names of ports.", "2015-08-15T18:00:00-00:00"),
    Extension(
        "empty-string-filtering",
        "Empty String Filtering Extension",
        "Lists can be filtered by empty values.",
        "2018-05-01T10:00:00-00:00",
    ),
    Extension("external-net", "Neutron external network", "Networks that lead outside.", "2013-01-14T10:00:00-00:00"),
    Extension(
        "filter-validation", "Filter parameters validation", "Unknown filters are refused.", "2018-03-21T10:00:00-00:00"
    ),
    Extension("net-mtu", "Network MTU", "The MTU of a network is shown.", "2015-03-25T10:00:00-00:00"),
    Extension(
        "net-mtu-writable", "Network MTU (writable)", "The MTU of a network can be set.", "2017-07-12T00:00:00-00:00"
    ),
    Extension(
        "network-ip-availability", "Network IP Availability", "Addresses used and in all.", "2015-09-24T00:00:00-00:00"
    ),
    Extension(
        "network_availability_zone",
        "Network Availability Zone",
        "Availability zones of networks.",
        "2015-01-01T10:00:00-00:00",
    ),
    Extension("pagination", "Pagination support", "Lists come in pages.", "2016-06-12T00:00:00-00:00"),
    Extension("port-security", "Port Security", "Filtering can be switched off per port.", "2012-07-23T10:00:00-00:00"),
    Extension("project-id", "project_id field enabled", "project_id beside tenant_id.", "2016-09-09T09:09:09-09:09"),
    Extension("provider", "Provider Network", "What a network is made of.", "2012-09-07T10:00:00-00:00"),
    Extension(
        "quota-check-limit",
        "Quota engine limit check",
        "A limit below the usage can be refused.",
        "2021-12-09T10:00:00-00:00",
    ),
    Extension(
        "quota_details", "Quota details management support", "Quota with what is used.", "2017-02-10T10:00:00-00:00"
    ),
    Extension("quotas", "Quota management support", "Limits per project.", "2012-07-29T10:00:00-00:00"),
    Extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Changes on condition of a revision.",
        "2016-12-11T00:00:00-00:00",
    ),
    Extension("security-group", "security-group", "Security groups.", "2012-10-05T10:00:00-00:00"),
    Extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "normalized_cidr in rules.",
        "2020-03-31T12:00:00-00:00",
    ),
    Extension(
        "security-groups-rules-belongs-to-default-sg",
        "Security group rule belongs to the project's default security group",
        "belongs_to_default_sg in rules.",
        "2022-12-15T12:00:00-00:00",
    ),
    Extension(
        "ext-gw-mode",
        "Neutron L3 Configurable external gateway mode",
        "Source NAT of a router can be switched off.",
        "2013-03-28T10:00:00-00:00",
    ),
    Extension("extraroute", "Neutron Extra Route", "Static routes of routers.", "2013-02-01T10:00:00-00:00"),
    Extension(
        "extraroute-atomic",
        "Atomically add/remove extra routes",
        "Routes are added and removed one by one.",
        "2019-07-10T00:00:00+00:00",
    ),
    Extension(
        "expose-port-forwarding-in-fip",
        "Expose Floating IP port forwardings",
        "port_forwardings in floating IPs.",
        "2018-06-28T16:00:00-00:00",
    ),
    Extension(
        "floating-ip-port-forwarding",
        "Floating IP Port Forwarding",
        "Single ports of a floating IP.",
        "2018-01-19T10:00:00-00:00",
    ),
    Extension(
        "floating-ip-port-forwarding-description",
        "Floating IP Port Forwarding new attribute description",
        "Descriptions of port forwardings.",
        "2019-11-01T10:00:00-00:00",
    ),
    Extension(
        "fip-port-details",
        "Floating IP Port Details Extension",
        "port_details in floating IPs.",
        "2018-04-09T10:00:00-00:00",
    ),
    Extension("l3_agent_scheduler", "L3 Agent Scheduler", "Which node has which router.", "2013-02-07T10:00:00-00:00"),
    Extension("router", "Neutron L3 Router", "Routers and floating IPs.", "2012-07-20T10:00:00-00:00"),
    Extension(
        "router_availability_zone",
        "Router Availability Zone",
        "Availability zones of routers.",
        "2015-01-01T10:00:00-00:00",
    ),
    Extension("sorting", "Sorting support", "Lists are sorted.", "2016-06-12T00:00:00-00:00"),
    Extension("standard-attr-description", "standard-attr-description", "Descriptions.", "2016-02-10T10:00:00-00:00"),
    Extension("standard-attr-revisions", "Resource revision numbers", "revision_number.", "2016-04-11T10:00:00-00:00"),
    Extension(
        "standard-attr-timestamp", "Resource timestamps", "created_at and updated_at.", "2016-09-12T10:00:00-00:00"
    ),
    Extension(
        "stateful-security-group",
        "Stateful security group",
        "Groups without connection tracking.",
        "2019-11-26T09:00:00-00:00",
    ),
)


def versions(request: ApiRequest) -> Reply:
    return Reply({"versions": [_version(request)]})


def _version(request: ApiRequest) -> dict[str, Any]:
    root = request.base_url.removesuffix("/v2.0")
    return {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{root}/v2.0/"}]}


def resources(request: ApiRequest) -> Reply:
    return Reply(
        {
            "resources": [
                {
                    "name": name,
                    "collection": collection,
                    "links": [{"rel": "self", "href": f"{request.base_url}/{collection}"}],
                }
                for name, collection in COLLECTIONS.items()
            ]
        }
    )


def extensions(request: ApiRequest) -> Reply:
    wanted = listing.fields(request)
    return Reply({"extensions": [listing.prune(_extension(each), wanted) for each in EXTENSIONS]})


def extension(request: ApiRequest, alias: str) -> Reply:
    for each in EXTENSIONS:
        if each.alias == alias:
            return listing.single(request, "extension", _extension(each))
    raise NotFound(f"Extension with alias {alias[:64]} does not exist", neutron_type="ExtensionNotFound")


def _extension(each: Extension) -> dict[str, Any]:
    return {
        "alias": each.alias,
        "name": each.name,
        "description": each.description,
        "updated": each.updated,
        "links": [],
    }
