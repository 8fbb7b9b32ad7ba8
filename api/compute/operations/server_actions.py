"""Actions on a server: each begins an operation in one transaction and hints it to the schedulers afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from api.compute.operations.quota_defaults import defaults
from api.compute.operations.servers import check_not_locked
from api.request import Services
from common.context import RequestContext
from common.db import instances, network_state, node_life, operations, servers, soft_deletion
from common.db.models import Instance
from common.errors import Conflict, Forbidden, StateConflict
from common.killpoints import reach
from common.rpc import queries_v1
from common.rpc.queries_v1 import Answer
from common.states import ACTIONS, RESETS, Action, VmState

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # everything but tab and newline: no terminal escapes (CON-07)
ADMIN, OWNER = "admin", "owner"
T = TypeVar("T")
_DONE_WITHOUT_THE_NODE = (Action.DELETE,)


def begin(services: Services, context: RequestContext, server_id: str, action: Action) -> None:
    """Start an action. Raises NotFound, StateConflict, Conflict for a locked server."""

    def work(session: Session) -> tuple[str, None]:
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, action, services.clock.now())
        return instances.begin(session, instance, action, context, services.clock.now()).id, None

    begun(services, action, work)


def begun(services: Services, action: Action, work: Callable[[Session], tuple[str, T]]) -> T:
    """Run a transaction that begins an operation, hint its id to the schedulers, and return the rest of its result."""

    def whole(session: Session) -> tuple[str, T]:
        result = work(session)
        reach("api", f"server_{action}", "before_commit")
        return result

    operation_id, rest = services.db.run(whole)
    reach("api", f"server_{action}", "after_commit")
    services.bus.hint(operation_id)
    return rest


def check_node(session: Session, instance: Instance, action: Action, now: datetime) -> None:
    """Raises Conflict at once for what a node that is down could not do, or none at all; deleting needs none."""
    if action in _DONE_WITHOUT_THE_NODE:
        return
    if instance.vm_state == VmState.SHELVED_OFFLOADED:
        return
    if instance.node_id is None:
        if VmState(instance.vm_state) in ACTIONS[action].allowed:
            raise Conflict(f"Instance {instance.id} is not ready: it was never placed on a host. Delete it.")
        return
    if not node_life.is_down(session, instance.node_id, now):
        return
    raise Conflict(
        f"Cannot '{ACTIONS[action].shown_as}' instance {instance.id}: the host it is on is down. Try again when it is "
        "back; the server can be deleted now."
    )


def lock(services: Services, context: RequestContext, server_id: str, reason: str | None) -> None:
    """Lock, or change the reason; what an administrator locked, only an administrator unlocks. Raises NotFound."""

    def work(session: Session) -> None:
        instance = servers.get_for_update(session, server_id, context)
        if instance.locked and instance.locked_by == ADMIN and not context.is_admin:
            return
        instance.locked, instance.locked_reason = True, reason
        instance.locked_by = OWNER if context.project_id == instance.project_id and not context.is_admin else ADMIN
        instance.updated_at = services.clock.now()

    services.db.run(work)


def unlock(services: Services, context: RequestContext, server_id: str) -> None:
    """Raises NotFound, Forbidden for a project's user when an administrator locked it."""

    def work(session: Session) -> None:
        instance = servers.get_for_update(session, server_id, context)
        if instance.locked and instance.locked_by == ADMIN and not context.is_admin:
            raise Forbidden(
                "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed."
            )
        instance.locked, instance.locked_by, instance.locked_reason = False, None, None
        instance.updated_at = services.clock.now()

    services.db.run(work)


def delete(services: Services, context: RequestContext, server_id: str) -> None:
    """Delete for good, or so that the server can be restored for a time, as configured and as its state allows.

    Raises NotFound, Conflict for a locked server.
    """
    keep_s = services.config.compute.reclaim_deleted_after_s

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        kept = keep_s > 0 and soft_deletion.is_possible(instance)
        kept = kept and not node_life.is_down(session, str(instance.node_id), now)
        action = Action.SOFT_DELETE if kept else Action.DELETE
        return instances.begin(session, instance, action, context, now).id, None

    begun(services, Action.DELETE, work)


def restore(services: Services, context: RequestContext, server_id: str) -> None:
    """Bring a deleted server back. Raises NotFound, StateConflict, QuotaExceeded, Conflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, Action.RESTORE, now)
        limits = defaults(services.config.quota)
        return soft_deletion.restore(session, instance, context, now, limits).id, None

    begun(services, Action.RESTORE, work)


def reset_state(services: Services, context: RequestContext, server_id: str, to: VmState) -> None:
    """An administrator's correction of vm_state. Raises NotFound, Conflict while an operation is running.

    ACTIVE stands for what the server is by its row: one that is being resized or rescued is that again.
    """

    def work(session: Session) -> None:
        instance = servers.get_for_update(session, server_id, context)
        if running := operations.open_for(session, instance.id):
            raise Conflict(
                f"Instance {instance.id} can't be reset while operation {running[0].id} ({running[0].action}) runs."
            )
        state = VmState(instance.vm_state)
        wanted = to if to == VmState.ERROR else _settled(instance)
        if wanted not in RESETS.get(state, ()) or (wanted != VmState.ERROR and instance.node_id is None):
            raise StateConflict(f"Instance {instance.id} can't be reset from {state} to {to}.", vm_state=state.value)
        instances.transition(
            session, instance.id, wanted, expect=[state], operation_id=None, now=services.clock.now(),
            reason="reset by an administrator", task_state=None,
        )  # fmt: skip

    services.db.run(work)


def _settled(instance: Instance) -> VmState:
    if instance.resize and instance.resize["moved"]:
        return VmState.RESIZED
    return VmState.RESCUED if instance.rescue else VmState.ACTIVE


def tell_node_of_network(services: Services, context: RequestContext, server_id: str) -> None:
    """Have the server's node put its ports, rules and DHCP in order again. Raises NotFound, Conflict for one on none."""

    def work(session: Session) -> None:
        instance = servers.get_for_update(session, server_id, context)
        check_not_locked(instance, context)
        _placed_on(instance)
        network_state.touch(session, [instance.node_id])

    services.db.run(work)


def console_log(services: Services, context: RequestContext, server_id: str, length: int | None) -> str:
    """The last lines of the serial console, without control characters.

    Raises NotFound, Conflict for a server that is on no node yet, NodeUnreachable.
    """
    node = _node_of(services, context, server_id)
    answer = services.bus.ask(node, queries_v1.ConsoleLog(instance_id=server_id, length=length))
    _check(answer, node)
    return _CONTROL.sub("", answer.text)


def diagnostics(services: Services, context: RequestContext, server_id: str) -> tuple[Instance, Answer]:
    """What the node's hypervisor counts for the guest. Raises NotFound, Conflict, NodeUnreachable."""
    with services.db.read() as session:
        instance = instances.get_visible(session, server_id, context)
    node = _placed_on(instance)
    answer = services.bus.ask(node, queries_v1.Diagnostics(instance_id=server_id))
    _check(answer, node)
    return instance, answer


def _node_of(services: Services, context: RequestContext, server_id: str) -> str:
    with services.db.read() as session:
        return _placed_on(instances.get_visible(session, server_id, context))


def _placed_on(instance: Instance) -> str:
    if instance.node_name is None:
        raise Conflict(f"Instance {instance.id} is not ready")
    return instance.node_name


def _check(answer: Answer, node: str) -> None:
    if answer.error_code:
        raise Conflict(answer.message or f"The agent on the server's node answered {answer.error_code}.", node=node)
