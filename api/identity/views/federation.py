"""Identity providers, protocols, mappings and service providers as Keystone shows them."""

from __future__ import annotations

from typing import Any

from api.identity.operations.federation import Idp
from common.db.models import FederationMapping, FederationProtocol, ServiceProvider


def idp(found: Idp, base_url: str) -> dict[str, Any]:
    link = f"{base_url}/OS-FEDERATION/identity_providers/{found.row.id}"
    return {
        "id": found.row.id,
        "domain_id": found.row.domain_id,
        "description": found.row.description,
        "enabled": found.row.enabled,
        "authorization_ttl": found.row.authorization_ttl,
        "remote_ids": found.remote_ids,
        "links": {"self": link, "protocols": f"{link}/protocols"},
    }


def protocol(row: FederationProtocol, base_url: str) -> dict[str, Any]:
    link = f"{base_url}/OS-FEDERATION/identity_providers/{row.idp_id}"
    links = {"self": f"{link}/protocols/{row.id}", "identity_provider": link}
    return {"id": row.id, "mapping_id": row.mapping_id, "links": links}


def mapping(row: FederationMapping, base_url: str) -> dict[str, Any]:
    link = f"{base_url}/OS-FEDERATION/mappings/{row.id}"
    return {"id": row.id, "rules": row.rules, "schema_version": "1.0", "links": {"self": link}}


def sp(row: ServiceProvider, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "auth_url": row.auth_url,
        "sp_url": row.sp_url,
        "description": row.description,
        "enabled": row.enabled,
        "relay_state_prefix": row.relay_state_prefix,
        "links": {"self": f"{base_url}/OS-FEDERATION/service_providers/{row.id}"},
    }
