"""A server's NUMA topology; which cells and CPUs of its node it has is for administrators."""

from __future__ import annotations

from api.compute.operations.server_topology import ShownCell, Topology
from api.compute.views.fields import Body, Reader


def show(topology: Topology, audience: Reader) -> Body:
    return {"nodes": [_cell(cell, audience) for cell in topology.cells], "pagesize_kb": topology.page_kib}


def _cell(cell: ShownCell, audience: Reader) -> Body:
    body: Body = {
        "vcpu_set": list(cell.cpus), "siblings": [list(group) for group in cell.siblings], "memory_mb": cell.memory_mib,
    }  # fmt: skip
    if audience.is_admin and cell.host_cell is not None:
        body["host_node"] = cell.host_cell
        body["cpu_pinning"] = {str(cpu): host for cpu, host in cell.pins.items()}
    return body
