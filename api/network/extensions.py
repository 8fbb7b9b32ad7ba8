"""The extensions of the network API that are really there: a test of ours shows each one's effect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extension:
    alias: str
    name: str
    description: str
    updated: str


EXTENSIONS = (
    Extension(
        "address-group", "Address group", "Lists of CIDRs for security group rules.", "2020-07-15T10:00:00-00:00"
    ),
    Extension("address-scope", "Address scope", "Subnet pools that don't overlap.", "2015-07-26T10:00:00-00:00"),
    Extension("agent", "agent", "The agents of the nodes.", "2013-02-03T10:00:00-00:00"),
    Extension(
        "allowed-address-pairs",
        "Allowed Address Pairs",
        "Further addresses a port may send from.",
        "2013-07-23T10:00:00-00:00",
    ),
    Extension(
        "auto-allocated-topology",
        "Auto Allocated Topology Services",
        "A ready-made network with a router to the outside.",
        "2016-01-01T00:00:00-00:00",
    ),
    Extension("availability_zone", "Availability Zone", "Availability zones.", "2015-01-01T10:00:00-00:00"),
    Extension("binding", "Port Binding", "Where a port is plugged.", "2014-02-03T10:00:00-00:00"),
    Extension(
        "default-subnetpools",
        "Default Subnetpools",
        "The pool that subnets come from when none is named.",
        "2016-02-18T18:00:00-00:00",
    ),
    Extension(
        "dhcp_agent_scheduler",
        "DHCP Agent Scheduler",
        "Which nodes answer DHCP in a network.",
        "2013-02-07T10:00:00-00:00",
    ),
    Extension("dns-domain-ports", "dns_domain for ports", "A domain for each port.", "2017-06-25T18:00:00-00:00"),
    Extension("dns-integration", "DNS Integration", "Names of ports.", "2015-08-15T18:00:00-00:00"),
    Extension(
        "dvr", "Distributed Virtual Router", "A flag of routers, kept for administrators.", "2014-06-01T10:00:00-00:00"
    ),
    Extension(
        "empty-string-filtering",
        "Empty String Filtering Extension",
        "Lists can be filtered by empty values.",
        "2018-05-01T10:00:00-00:00",
    ),
    Extension(
        "expose-port-forwarding-in-fip",
        "Expose Floating IP port forwardings",
        "port_forwardings in floating IPs.",
        "2018-06-28T16:00:00-00:00",
    ),
    Extension(
        "expose-l3-conntrack-helper",
        "Expose CT target rules for conntrack helper",
        "conntrack_helpers in routers.",
        "2019-04-04T10:00:00-00:00",
    ),
    Extension(
        "ext-gw-mode",
        "Neutron L3 Configurable external gateway mode",
        "Source NAT of a router can be switched off.",
        "2013-03-28T10:00:00-00:00",
    ),
    Extension("external-net", "Neutron external network", "Networks that lead outside.", "2013-01-14T10:00:00-00:00"),
    Extension(
        "extra_dhcp_opt", "Neutron Extra DHCP options", "DHCP options of single ports.", "2013-03-17T12:00:00-00:00"
    ),
    Extension("extraroute", "Neutron Extra Route", "Static routes of routers.", "2013-02-01T10:00:00-00:00"),
    Extension(
        "extraroute-atomic",
        "Atomically add/remove extra routes",
        "Routes are added and removed one by one.",
        "2019-07-10T00:00:00+00:00",
    ),
    Extension(
        "filter-validation", "Filter parameters validation", "Unknown filters are refused.", "2018-03-21T10:00:00-00:00"
    ),
    Extension(
        "fip-port-details",
        "Floating IP Port Details Extension",
        "port_details in floating IPs.",
        "2018-04-09T10:00:00-00:00",
    ),
    Extension("flavors", "Neutron Service Flavors", "Kinds of routers to choose from.", "2015-09-17T10:00:00-00:00"),
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
        "floating-ip-port-forwarding-detail",
        "Floating IP Port Forwarding details in floating IPs",
        "Ids and ports of forwardings in floating IPs.",
        "2019-11-01T10:00:00-00:00",
    ),
    Extension(
        "floating-ip-port-forwarding-port-ranges",
        "Floating IP Port Forwarding support range of ports",
        "Ranges of ports of a floating IP.",
        "2020-08-01T10:00:00-00:00",
    ),
    Extension(
        "floating-ip-router-writable",
        "Floating IP router can be named",
        "A floating IP by a router that is further off.",
        "2026-05-01T00:00:00-00:00",
    ),
    Extension(
        "floatingip-pools",
        "Floating IP Pools Extension",
        "The subnets that floating IPs come from.",
        "2018-03-21T10:00:00-00:00",
    ),
    Extension(
        "ip-substring-filtering",
        "IP address substring filtering",
        "Ports by part of an address.",
        "2017-11-28T09:00:00-00:00",
    ),
    Extension("l3_agent_scheduler", "L3 Agent Scheduler", "Which node has which router.", "2013-02-07T10:00:00-00:00"),
    Extension(
        "l3-conntrack-helper",
        "L3 Conntrack helper",
        "Routers follow the data connections of protocols.",
        "2019-04-04T10:00:00-00:00",
    ),
    Extension("l3-flavors", "Router Flavor Extension", "Routers by flavor.", "2016-05-17T00:00:00-00:00"),
    Extension(
        "l3-ha",
        "HA Router extension",
        "A flag of routers, kept for administrators; any router is taken over by another node.",
        "2014-04-26T00:00:00-00:00",
    ),
    Extension(
        "l3-ndp-proxy",
        "L3 NDP Proxy",
        "Routers answer outside for IPv6 addresses inside.",
        "2021-06-29T10:00:00-00:00",
    ),
    Extension(
        "local_ip",
        "Local IP",
        "Addresses that lead to a port on one's own node.",
        "2021-07-26T10:00:00-00:00",
    ),
    Extension(
        "logging", "Logging API Extension", "What security groups let pass and stop.", "2017-01-01T10:00:00-00:00"
    ),
    Extension("metering", "Neutron Metering", "Counters of what passes routers.", "2013-06-12T10:00:00-00:00"),
    Extension(
        "metering_source_and_destination_fields",
        "Neutron Metering source and destination filters",
        "Metering rules by both sides.",
        "2020-08-21T10:00:00-00:00",
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
    Extension(
        "network-segment-range",
        "Neutron Network Segment Range",
        "Which VNIs and VLANs projects get.",
        "2018-11-29T00:00:00-00:00",
    ),
    Extension("pagination", "Pagination support", "Lists come in pages.", "2016-06-12T00:00:00-00:00"),
    Extension(
        "port-mac-address-regenerate",
        "Neutron Port MAC address regenerate",
        "A port gets a new MAC.",
        "2018-05-03T10:00:00-00:00",
    ),
    Extension(
        "port-resource-request",
        "Port Resource Request",
        "What a port asks of the node that it is on.",
        "2018-05-08T10:00:00-00:00",
    ),
    Extension(
        "port-resource-request-groups",
        "Port Resource Request Groups",
        "What a port asks of the node, in groups.",
        "2021-08-02T10:00:00-00:00",
    ),
    Extension("port-security", "Port Security", "Filtering can be switched off per port.", "2012-07-23T10:00:00-00:00"),
    Extension("project-id", "project_id field enabled", "project_id beside tenant_id.", "2016-09-09T09:09:09-09:09"),
    Extension("provider", "Provider Network", "What a network is made of.", "2012-09-07T10:00:00-00:00"),
    Extension(
        "qos",
        "Quality of Service",
        "Bandwidth limits and DSCP marks of ports and networks.",
        "2015-06-08T10:00:00-00:00",
    ),
    Extension(
        "qos-bw-limit-direction",
        "Direction for QoS bandwidth limit rule",
        "Limits for either direction.",
        "2017-04-10T10:00:00-00:00",
    ),
    Extension(
        "qos-bw-minimum-ingress",
        "Ingress direction for QoS minimum bandwidth rule",
        "Bandwidth promised in either direction.",
        "2018-07-09T10:00:00-00:00",
    ),
    Extension(
        "qos-default",
        "QoS default policy",
        "The policy that a project's networks begin with.",
        "2017-04-10T10:00:00-00:00",
    ),
    Extension("qos-fip", "Floating IP QoS", "Limits of floating IPs.", "2017-07-20T00:00:00-00:00"),
    Extension(
        "qos-fip-network-policy",
        "QoS floating IP network policy ID",
        "Floating IPs show their network's policy, which limits those without one.",
        "2021-11-15T10:00:00-00:00",
    ),
    Extension(
        "qos-gateway-ip",
        "Gateway IP QoS",
        "Limits of routers' addresses outside.",
        "2018-09-17T00:00:00-00:00",
    ),
    Extension(
        "qos-pps", "QoS Rule Type Packet per Second Extension", "Limits of packets.", "2021-05-12T10:00:00-00:00"
    ),
    Extension(
        "qos-pps-minimum",
        "QoS Rule Type Minimum Packet per Second",
        "Packet rates promised to ports.",
        "2021-07-12T10:00:00-00:00",
    ),
    Extension(
        "qos-pps-minimum-rule-alias",
        "Alias for minimum packet rate rules",
        "Minimum packet rate rules by their id alone.",
        "2022-03-30T10:00:00-00:00",
    ),
    Extension(
        "qos-rule-type-details",
        "Details of QoS rule types",
        "What a kind of rule can say.",
        "2017-06-22T10:00:00-00:00",
    ),
    Extension(
        "qos-rules-alias",
        "Ability to modify QoS rules with alias API",
        "Rules by their id alone.",
        "2018-10-07T10:00:00-00:00",
    ),
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
        "rbac-address-group",
        "Add address_group type to RBAC",
        "Address groups are shared.",
        "2020-11-02T10:00:00-00:00",
    ),
    Extension(
        "rbac-address-scope",
        "Add address_scope type to RBAC",
        "Address scopes are shared.",
        "2020-01-22T10:00:00-00:00",
    ),
    Extension("rbac-policies", "RBAC Policies", "Objects shared with single projects.", "2015-06-17T12:15:12-00:00"),
    Extension(
        "rbac-security-groups",
        "Add security_group type to network RBAC",
        "Security groups are shared.",
        "2019-05-23T10:00:00-00:00",
    ),
    Extension(
        "rbac-subnetpool", "Add subnetpool type to RBAC", "Subnet pools are shared.", "2020-01-20T10:00:00-00:00"
    ),
    Extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Changes on condition of a revision.",
        "2016-12-11T00:00:00-00:00",
    ),
    Extension("router", "Neutron L3 Router", "Routers and floating IPs.", "2012-07-20T10:00:00-00:00"),
    Extension(
        "router_availability_zone",
        "Router Availability Zone",
        "Availability zones of routers.",
        "2015-01-01T10:00:00-00:00",
    ),
    Extension("security-group", "security-group", "Security groups.", "2012-10-05T10:00:00-00:00"),
    Extension(
        "security-groups-default-rules",
        "Default rules for security groups",
        "The rules that new groups begin with.",
        "2022-12-19T10:00:00-00:00",
    ),
    Extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "normalized_cidr in rules.",
        "2020-03-31T12:00:00-00:00",
    ),
    Extension(
        "security-groups-remote-address-group",
        "Remote address group id field for security group rules",
        "Rules for an address group.",
        "2020-08-25T10:00:00-00:00",
    ),
    Extension(
        "security-groups-rules-belongs-to-default-sg",
        "Security group rule belongs to the project's default security group",
        "belongs_to_default_sg in rules.",
        "2022-12-15T12:00:00-00:00",
    ),
    Extension(
        "security-groups-shared-filtering",
        "Security group filtering on the shared field",
        "Lists of shared groups.",
        "2021-10-05T09:00:00-00:00",
    ),
    Extension("service-type", "Neutron Service Type Management", "Who provides routers.", "2013-01-20T00:00:00-00:00"),
    Extension("sorting", "Sorting support", "Lists are sorted.", "2016-06-12T00:00:00-00:00"),
    Extension("standard-attr-description", "standard-attr-description", "Descriptions.", "2016-02-10T10:00:00-00:00"),
    Extension("standard-attr-revisions", "Resource revision numbers", "revision_number.", "2016-04-11T10:00:00-00:00"),
    Extension(
        "standard-attr-segment",
        "Standard attributes of segments",
        "Segments have times and revisions.",
        "2017-07-03T00:00:00-00:00",
    ),
    Extension(
        "standard-attr-tag",
        "Tag support for resources with standard attribute",
        "Tags of all objects.",
        "2017-01-01T00:00:00-00:00",
    ),
    Extension(
        "standard-attr-timestamp", "Resource timestamps", "created_at and updated_at.", "2016-09-12T10:00:00-00:00"
    ),
    Extension(
        "stateful-security-group",
        "Stateful security group",
        "Groups without connection tracking.",
        "2019-11-26T09:00:00-00:00",
    ),
    Extension(
        "subnet-service-types",
        "Subnet service types",
        "Subnets for ports of certain owners.",
        "2016-03-15T18:00:00-00:00",
    ),
    Extension(
        "subnet_allocation", "Subnet Allocation", "Subnets are allocated from pools.", "2015-03-30T10:00:00-00:00"
    ),
    Extension(
        "subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "Prefixes come and go.", "2020-03-13T10:00:00-00:00"
    ),
    Extension("tag", "Tag support", "Tags of networks.", "2016-01-01T00:00:00-00:00"),
    Extension("tag-creation", "Create tags", "Several tags are added at once.", "2025-02-07T00:00:00-00:00"),
    Extension(
        "tag-ports-during-bulk-creation",
        "Tag Ports During Bulk Creation",
        "Ports are made with their tags.",
        "2019-12-29T19:00:00-00:00",
    ),
    Extension("trunk", "Trunk Extension", "Ports that carry others.", "2016-01-01T10:00:00-00:00"),
    Extension(
        "trunk-details", "Trunk port details", "A parent port shows what it carries.", "2016-01-01T10:00:00-00:00"
    ),
    Extension(
        "vlan-transparent", "Vlantransparent", "Networks that carry guests' own VLANs.", "2015-03-23T09:00:00-00:00"
    ),
)
