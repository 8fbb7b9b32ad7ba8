"""Application credentials, access rules, and stored credentials as the Identity API shows them."""

from __future__ import annotations

import json
from typing import Any

from api.identity.operations.application_credentials import Shown as ShownApplicationCredential
from api.identity.operations.credentials import Shown
from common.db.models import AccessRule


def application_credential(shown: ShownApplicationCredential, base_url: str) -> dict[str, Any]:
    row = shown.credential
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "roles": [{"id": role.id, "name": role.name, "domain_id": role.domain_id or None} for role in shown.roles],
        "unrestricted": row.unrestricted,
        "expires_at": row.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f") if row.expires_at else None,
        "system": None,
        "links": {"self": f"{base_url}/users/{row.user_id}/application_credentials/{row.id}"},
    }
    if shown.rules is not None:
        body["access_rules"] = [_rule(rule) for rule in shown.rules]
    if shown.secret is not None:
        body["secret"] = shown.secret.reveal()
    return body


def access_rule(row: AccessRule, base_url: str) -> dict[str, Any]:
    return {**_rule(row), "links": {"self": f"{base_url}/users/{row.user_id}/access_rules/{row.id}"}}


def _rule(row: AccessRule) -> dict[str, Any]:
    return {"id": row.id, "service": row.service, "method": row.method, "path": row.path}


def credential(shown: Shown, base_url: str) -> dict[str, Any]:
    row = shown.credential
    return {
        "id": row.id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "type": row.type,
        "blob": shown.blob.reveal(),
        "links": {"self": f"{base_url}/credentials/{row.id}"},
    }


def ec2_credential(shown: Shown, base_url: str) -> dict[str, Any]:
    row, blob = shown.credential, json.loads(shown.blob.reveal())
    return {
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "access": blob["access"],
        "secret": blob.get("secret"),
        "trust_id": None,
        "links": {"self": f"{base_url}/users/{row.user_id}/credentials/OS-EC2/{blob['access']}"},
    }
