"""The audit: the database recounted in one snapshot, then what the nodes hold against the instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.request import Services
from common.db import audit, nodes, services
from common.db.audit import Difference, Kind, Placed
from common.errors import NodeUnreachable
from common.rpc import queries_v1
from common.rpc.compute_v1 import DomainDigest, PowerState
from common.states import ON_NODE, VmState

ASKED_AT_ONCE = 32
#: domains by instance id, by name of the node that answered
Held = Mapping[str, Mapping[str, DomainDigest]]
_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)
_NOT_OFF = (VmState.ACTIVE, VmState.PAUSED)
_NOT_RUNNING = (VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED, VmState.SHELVED, VmState.SOFT_DELETED)


@dataclass(frozen=True)
class Audit:
    """asked: nodes whose domains were compared. silent: nodes that are down or did not answer, so were not compared."""

    differences: tuple[Difference, ...]
    asked: tuple[str, ...]
    silent: tuple[str, ...]


def resources(app: Services) -> Audit:
    """Recount everything. Differences come and go while servers are worked on; only those at rest are compared."""
    with app.db.snapshot() as session:
        found = audit.differences(session)
        before = audit.placed(session)
    held, silent = _ask_nodes(app)
    with app.db.snapshot() as session:
        after = audit.placed(session)
        strangers = {instance_id for domains in held.values() for instance_id in domains} - set(after)
        gone = audit.placed_by_ids(session, strangers)
    at_rest = {key: row for key, row in after.items() if row.task_state is None and before.get(key) == row}
    moving = (set(after) - set(at_rest)) | (set(before) - set(after))
    found += domains(held, at_rest, moving, gone)
    return Audit(tuple(found), tuple(sorted(held)), tuple(silent))


def repair(app: Services) -> int:
    """Count the nodes' used amounts anew from their allocations; how many nodes differed."""

    def work(session: Session) -> int:
        audit.lock_nodes(session)
        return audit.recount_nodes(session)

    return app.db.run(work)


def _ask_nodes(app: Services) -> tuple[dict[str, dict[str, DomainDigest]], list[str]]:
    """Every node that lives, side by side and outside any transaction."""
    now, down_after_s = app.clock.now(), app.config.scheduler.node_down_after_s
    with app.db.read() as session:
        known = nodes.with_services(session)
    living = [node.name for node, service in known if services.is_up(service, now, down_after_s)]
    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="audit") as pool:
        answers = dict(zip(living, pool.map(lambda name: _ask(app, name), living), strict=True))
    held = {name: domains for name, domains in answers.items() if domains is not None}
    return held, sorted(node.name for node, _ in known if node.name not in held)


def _ask(app: Services, node: str) -> dict[str, DomainDigest] | None:
    try:
        answer = app.bus.ask(node, queries_v1.Domains())
    except NodeUnreachable:
        return None
    return None if answer.error_code else {digest.instance_id: digest for digest in answer.domains}


def domains(
    held: Held, at_rest: Mapping[str, Placed], moving: set[str], gone: Mapping[str, Placed]
) -> list[Difference]:
    """What nodes hold against the instances. moving: ids that are being worked on, which are left out."""
    places: dict[str, list[str]] = defaultdict(list)
    for node, digests in held.items():
        for instance_id in digests:
            places[instance_id].append(node)
    found: list[Difference] = []
    for instance_id, at in sorted(places.items()):
        if instance_id in moving:
            continue
        row = at_rest.get(instance_id)
        if row is None:
            state = "deleted" if instance_id in gone else "unknown"
            found.append(Difference(Kind.DOMAIN, instance_id, f"no domain: {state}", f"a domain on {', '.join(at)}"))
        elif at != [row.node_name]:
            found.append(
                Difference(Kind.DOMAIN, instance_id, f"only on {row.node_name}", f"on {', '.join(sorted(at))}")
            )
        else:
            found += _domain(row, held[at[0]][instance_id])
    for row in at_rest.values():
        placed = row.vm_state in ON_NODE and row.node_name in held
        if placed and row.id not in places:
            found.append(Difference(Kind.DOMAIN, row.id, f"a domain on {row.node_name} ({row.vm_state})", "none"))
    return found


def _domain(row: Placed, digest: DomainDigest) -> Iterator[Difference]:
    if digest.busy:
        return
    if digest.epoch != row.epoch:
        yield Difference(Kind.DOMAIN, row.id, f"epoch {row.epoch}", f"epoch {digest.epoch} on {row.node_name}")
    elif digest.generation > row.generation:
        yield Difference(
            Kind.DOMAIN, row.id, f"generation {row.generation} at most", f"{digest.generation} on {row.node_name}"
        )
    running, off = digest.power == PowerState.RUNNING, digest.power in _OFF
    if (row.vm_state in _NOT_OFF and off) or (row.vm_state in _NOT_RUNNING and running):
        yield Difference(Kind.DOMAIN, row.id, row.vm_state, f"{digest.power.value} on {row.node_name}")
