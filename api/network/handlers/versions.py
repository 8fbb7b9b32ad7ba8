"""Version documents, the resources of v2.0, and the extensions that are really there."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.extensions import EXTENSIONS, Extension
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
    "rbac_policy": "rbac-policies",
    "address_group": "address-groups",
    "address_scope": "address-scopes",
    "subnetpool": "subnetpools",
    "policy": "qos/policies",
    "trunk": "trunks",
    "default_security_group_rule": "default-security-group-rules",
}


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
