"""/auto-allocated-topology: a project's ready-made network, by the project's id or "null" for the caller's own."""

from __future__ import annotations

from api.network import listing
from api.network.operations import auto_topology as operations
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest, NotFound

_DRY_RUN = "dry-run"
_OWN = ("null", "None")  # as clients write nothing


def show(request: ApiRequest, topology_project_id: str) -> Reply:
    """Makes the network when there is none; `fields=dry-run` only says whether it could."""
    project_id = _project(request, topology_project_id)
    if _DRY_RUN in listing.fields(request):
        operations.check(request, project_id)
        topology_id = "dry-run=pass"
    else:
        topology_id = operations.ensure(request.services, project_id)
    return Reply({"auto_allocated_topology": {"id": topology_id, "tenant_id": project_id, "project_id": project_id}})


def delete(request: ApiRequest, topology_project_id: str) -> Reply:
    operations.delete(request, _project(request, topology_project_id))
    return Reply(status=204)


def _project(request: ApiRequest, named: str) -> str:
    own = request.context.project_id
    if named in _OWN:
        if own is None:
            raise InvalidRequest("Running without a project: name one.")
        return own
    if named != own and not request.context.is_admin:
        raise NotFound(f"Project {named} could not be found.", neutron_type="AutoAllocatedTopologyNotFound")
    return named
