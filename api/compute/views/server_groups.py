"""Server groups in the newest form; FIELDS says what came and went when."""

from __future__ import annotations

from api.compute.operations.server_groups import Shown
from api.compute.views.fields import Body, Field, Reader, prune

FIELDS = (
    Field("project_id", since="2.13"),
    Field("user_id", since="2.13"),
    Field("policies", until="2.63"),
    Field("metadata", until="2.63"),
    Field("policy", since="2.64"),
    Field("rules", since="2.64"),
)


def group(shown: Shown, audience: Reader) -> Body:
    row = shown.group
    body: Body = {
        "id": row.id,
        "name": row.name,
        "members": list(shown.members),
        "policies": [row.policy],
        "metadata": {},
        "project_id": row.project_id,
        "user_id": row.user_id,
        "policy": row.policy,
        "rules": {} if row.max_per_node is None else {"max_server_per_host": row.max_per_node},
    }
    return prune(body, FIELDS, audience)
