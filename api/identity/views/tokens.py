"""Tokens and catalogues as the Identity API shows them."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import groupby
from typing import Any

from api.identity.operations.tokens import Catalog, Issued
from common.context import RequestContext
from common.db.models import Endpoint
from common.db.tokens import Named, Subject

_SUBSTITUTION = re.compile(r"[$%]\((\w+)\)s")


def token(issued: Issued) -> dict[str, Any]:
    content, subject = issued.content, issued.subject
    audit_ids = [content.audit_id] if content.audit_id == content.chain_id else [content.audit_id, content.chain_id]
    body: dict[str, Any] = {
        "methods": list(content.methods),
        "user": {**_in_domain(subject.user, subject.user_domain), "password_expires_at": None},
        "audit_ids": audit_ids,
        "expires_at": timestamp(content.expires),
        "issued_at": timestamp(content.issued),
        **_scope(subject),
    }
    if subject.scoped:
        body["roles"] = [_named(role) for role in subject.roles]
    if (used := subject.application_credential) is not None:
        body["application_credential"] = {"id": used.id, "name": used.name, "restricted": not used.unrestricted}
        if used.rules is not None:
            body["application_credential"]["access_rules"] = [
                {"service": rule.service, "method": rule.method, "path": rule.path} for rule in used.rules
            ]
    if (trust := subject.trust) is not None:
        body["OS-TRUST:trust"] = {
            "id": trust.id,
            "impersonation": trust.impersonation,
            "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id},
        }
    if issued.service_providers:
        body["service_providers"] = [
            {"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url} for row in issued.service_providers
        ]
    if issued.catalog is not None:
        project_id = subject.project.id if subject.project else None
        body["catalog"] = catalog(issued.catalog, project_id, subject.user.id)
    return {"token": body}


def _scope(subject: Subject) -> dict[str, Any]:
    if subject.project is not None and subject.project_domain is not None:
        return {"project": _in_domain(subject.project, subject.project_domain), "is_domain": False}
    if subject.domain is not None:
        return {"domain": _named(subject.domain)}
    return {"system": {"all": True}} if subject.system else {}


def auth_catalog(entries: Catalog, context: RequestContext, url: str) -> dict[str, Any]:
    return {"catalog": catalog(entries, context.project_id, context.user_id), "links": {"self": url}}


def catalog(entries: Catalog, project_id: str | None, user_id: str) -> list[dict[str, Any]]:
    """Services with their endpoints; one whose URL needs a project is left out where there is none."""
    known = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
    found = []
    for service, group in groupby(entries, key=lambda entry: entry[0]):
        endpoints = [_endpoint(endpoint, known) for _service, endpoint in group if endpoint is not None]
        found.append(
            {
                "id": service.id,
                "type": service.type,
                "name": service.name,
                "endpoints": [endpoint for endpoint in endpoints if endpoint is not None],
            }
        )
    return found


def _endpoint(endpoint: Endpoint, known: dict[str, str | None]) -> dict[str, Any] | None:
    if any(known.get(name) is None for name in _SUBSTITUTION.findall(endpoint.url)):
        return None
    url = _SUBSTITUTION.sub(lambda found: str(known[found[1]]), endpoint.url)
    return {
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region_id": endpoint.region_id,
        "region": endpoint.region_id,
        "url": url,
    }


def timestamp(moment: datetime) -> str:
    """Keystone's form: microseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _named(item: Named) -> dict[str, str]:
    return {"id": item.id, "name": item.name}


def _in_domain(item: Named, domain: Named) -> dict[str, Any]:
    return {"domain": _named(domain), **_named(item)}
