"""Things by name or id, as `openstack` finds them: an id first where it looks like one, else the only one of the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import CloudRefusedError, CommandError
from common.ids import is_uuid

if TYPE_CHECKING:
    from cli.cloud import Cloud


@dataclass(frozen=True)
class Kind:
    """noun: as in the commands. names: the list can be asked by name; else all of it is read."""

    noun: str
    service: str
    path: str
    singular: str
    plural: str
    names: bool = True
    name_key: str = "name"
    lists_at: str = ""


SERVER = Kind("server", "compute", "/servers", "server", "servers")
FLAVOR = Kind("flavor", "compute", "/flavors", "flavor", "flavors", names=False, lists_at="/flavors/detail")
HYPERVISOR = Kind(
    "hypervisor", "compute", "/os-hypervisors", "hypervisor", "hypervisors", names=False,
    name_key="hypervisor_hostname", lists_at="/os-hypervisors/detail",
)  # fmt: skip
AGGREGATE = Kind("aggregate", "compute", "/os-aggregates", "aggregate", "aggregates", names=False)
SERVER_GROUP = Kind("server group", "compute", "/os-server-groups", "server_group", "server_groups", names=False)
IMAGE = Kind("image", "image", "/images", "", "images")
VOLUME = Kind("volume", "block-storage", "/volumes", "volume", "volumes", lists_at="/volumes/detail")
SNAPSHOT = Kind("volume snapshot", "block-storage", "/snapshots", "snapshot", "snapshots", lists_at="/snapshots/detail")
BACKUP = Kind("volume backup", "block-storage", "/backups", "backup", "backups", lists_at="/backups/detail")
VOLUME_TYPE = Kind("volume type", "block-storage", "/types", "volume_type", "volume_types", names=False)
QOS_SPEC = Kind("volume qos", "block-storage", "/qos-specs", "qos_specs", "qos_specs", names=False)
TRANSFER = Kind(
    "volume transfer request", "block-storage", "/volume-transfers", "transfer", "transfers",
    lists_at="/volume-transfers/detail",
)  # fmt: skip
ATTACHMENT = Kind(
    "volume attachment", "block-storage", "/attachments", "attachment", "attachments", name_key="id",
    lists_at="/attachments/detail",
)  # fmt: skip
NETWORK = Kind("network", "network", "/networks", "network", "networks")
SUBNET = Kind("subnet", "network", "/subnets", "subnet", "subnets")
PORT = Kind("port", "network", "/ports", "port", "ports")
GROUP = Kind("security group", "network", "/security-groups", "security_group", "security_groups")
ROUTER = Kind("router", "network", "/routers", "router", "routers")
FLOATING_IP = Kind(
    "floating ip", "network", "/floatingips", "floatingip", "floatingips", names=False, name_key="floating_ip_address"
)
SUBNET_POOL = Kind("subnet pool", "network", "/subnetpools", "subnetpool", "subnetpools")
ADDRESS_SCOPE = Kind("address scope", "network", "/address-scopes", "address_scope", "address_scopes")
ADDRESS_GROUP = Kind("address group", "network", "/address-groups", "address_group", "address_groups")
QOS_POLICY = Kind("network qos policy", "network", "/qos/policies", "policy", "policies")
RBAC = Kind("network rbac", "network", "/rbac-policies", "rbac_policy", "rbac_policies", names=False, name_key="id")
AGENT = Kind("network agent", "network", "/agents", "agent", "agents", names=False, name_key="id")
IP_AVAILABILITY = Kind(
    "ip availability", "network", "/network-ip-availabilities", "network_ip_availability", "network_ip_availabilities",
    names=False, name_key="network_name",
)  # fmt: skip
TRUNK = Kind("network trunk", "network", "/trunks", "trunk", "trunks")
RULE = Kind("security group rule", "network", "/security-group-rules", "security_group_rule", "security_group_rules")
PROJECT = Kind("project", "identity", "/projects", "project", "projects")
USER = Kind("user", "identity", "/users", "user", "users")
ROLE = Kind("role", "identity", "/roles", "role", "roles")
DOMAIN = Kind("domain", "identity", "/domains", "domain", "domains")
USER_GROUP = Kind("group", "identity", "/groups", "group", "groups")
REGION = Kind("region", "identity", "/regions", "region", "regions", names=False, name_key="id")
SERVICE = Kind("service", "identity", "/services", "service", "services")
ENDPOINT = Kind("endpoint", "identity", "/endpoints", "endpoint", "endpoints", names=False)


def many(kind: Kind) -> str:
    """The noun for several."""
    return f"{kind.noun.removesuffix('y')}ies" if kind.noun.endswith(("cy", "ty")) else f"{kind.noun}s"


def server_id(cloud: Cloud, name_or_id: str) -> str:
    """The id of the one server with this name or id. Raises CloudRefusedError when there is none, or several."""
    return str(one(cloud, SERVER, name_or_id)["id"])


def one(cloud: Cloud, kind: Kind, name_or_id: str, **narrowed: Any) -> dict[str, Any]:
    """The thing itself. narrowed: more of the list's query. Raises CommandError for none and for several."""
    if is_uuid(name_or_id) or not kind.names:
        found = by_id(cloud, kind, name_or_id)
        if found is not None:
            return found
    query: dict[str, Any] = {"name": name_or_id} if kind.names else {}
    if kind in (FLAVOR, VOLUME_TYPE):
        query = {"is_public": "None"}  # for administrators private ones too; others see those they may use
    listed = cloud.pages(kind.lists_at or kind.path, kind.plural, kind.service, **query, **narrowed)
    named = [item for item in listed if item.get(kind.name_key) == name_or_id]
    if not named and kind is SERVICE:
        named = list(cloud.pages(kind.path, kind.plural, kind.service, type=name_or_id))
    if len(named) > 1:
        ids = ", ".join(str(item["id"]) for item in named)
        raise CommandError(f"{len(named)} {many(kind)} are named {name_or_id!r}; use the id of one: {ids}")
    if named:
        return named[0]
    found = None if is_uuid(name_or_id) or not kind.names else by_id(cloud, kind, name_or_id)
    if found is None:
        raise CommandError(
            f"There is no {kind.noun} with the name or id {name_or_id!r}; `cumulet {kind.noun} list` shows those there are."
        )
    return found


def by_id(cloud: Cloud, kind: Kind, wanted: str) -> dict[str, Any] | None:
    """None where there is none; a form of id that the service does not take is none, too."""
    from cli.cloud import part

    try:
        answer = cloud.get(f"{kind.path}/{part(wanted)}", kind.service)
    except CloudRefusedError as err:
        if err.status in (400, 403, 404):
            return None
        raise
    return dict(answer[kind.singular]) if kind.singular else answer


def id_of(cloud: Cloud, kind: Kind, name_or_id: str | None, **narrowed: Any) -> str | None:
    """Its id; None for None."""
    return None if name_or_id is None else str(one(cloud, kind, name_or_id, **narrowed)["id"])


def identity_id(cloud: Cloud, kind: Kind, name_or_id: str | None, domain: str | None = None) -> str | None:
    """Of a project or user, in a domain where one is named. Whoever may not list gives its own, or an id."""
    if name_or_id is None:
        return None
    mine = cloud.access()
    own = (mine.project_id, mine.project_name) if kind is PROJECT else (mine.user_id, mine.username)
    if name_or_id in own and domain is None:
        return str(own[0])
    try:
        return id_of(cloud, kind, name_or_id, domain_id=domain_id(cloud, domain))
    except CloudRefusedError as err:
        if err.status == 403:
            return name_or_id
        raise


def domain_id(cloud: Cloud, name_or_id: str | None) -> str | None:
    """The default domain's id is a word, so that it needs no question."""
    return name_or_id if name_or_id in (None, "default") else id_of(cloud, DOMAIN, name_or_id)
