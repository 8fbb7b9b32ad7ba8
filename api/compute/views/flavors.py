"""Flavors in the newest form; FIELDS says what came when."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views import links
from api.compute.views.fields import Body, Field, Reader, prune
from common.db.models import Flavor

FIELDS = (
    Field("description", since="2.55"),
    Field("extra_specs", since="2.61"),
    Field("OS-FLV-DISABLED:disabled", until="2.101"),
    Field("rxtx_factor", until="2.101"),
)


def summary(row: Flavor, audience: Reader) -> Body:
    body: Body = {
        "id": row.id, "name": row.name, "description": row.description,
        "links": links.own(audience.base_url, "flavors", row.id),
    }  # fmt: skip
    return prune(body, FIELDS, audience)


def detail(row: Flavor, audience: Reader) -> Body:
    no_swap = 0 if audience.at_least("2.75") else ""
    body: Body = {
        "id": row.id,
        "name": row.name,
        "ram": row.memory_mib,
        "disk": row.root_gib,
        "swap": row.swap_mib or no_swap,
        "vcpus": row.vcpus,
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": row.disabled,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": row.rxtx_factor,
        "links": links.own(audience.base_url, "flavors", row.id),
        "description": row.description,
        "extra_specs": row.extra_specs,
    }
    return prune(body, FIELDS, audience)


def access(flavor_id: str, project_ids: Sequence[str]) -> Body:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project_id} for project_id in project_ids]}
