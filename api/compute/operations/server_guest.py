"""What is asked of a running guest while the client waits: a new password, a dump of its memory. What it has left itself.

A password that is set is kept nowhere, and a dump is the guest's own doing. The password that a guest makes for its owner
is kept as the guest has encrypted it, for whoever has the private key.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.compute.operations.servers import check_not_locked, check_state
from api.request import Services
from common import node_seal
from common.context import RequestContext
from common.db import guest_passwords, instances, nodes
from common.db.models import Instance
from common.errors import Conflict
from common.rpc import queries_v1
from common.rpc.queries_v1 import Query
from common.secret import Secret


def change_password(services: Services, context: RequestContext, server_id: str, password: Secret) -> None:
    """Have the guest's agent set the password of its administrator (the image's os_admin_user, else root).

    Raises NotFound, Conflict when no agent answers or takes it, StateConflict.
    """
    instance = _ready(services, context, server_id, "changePassword")
    user = instance.image.get("properties", {}).get("os_admin_user", "root")
    with services.db.read() as session:
        node = nodes.by_name(session, str(instance.node_name))
        seal = node_seal.of_hash(node.secret_hash if node else "")
    query = queries_v1.SetPassword(instance_id=server_id, user=user, sealed_password=seal.seal(password))
    _ask(services, instance, query)


def password(services: Services, context: RequestContext, server_id: str) -> str:
    """What the guest has left, encrypted; "" for nothing. Raises NotFound."""
    with services.db.read() as session:
        return guest_passwords.find(session, instances.get_visible(session, server_id, context).id)


def clear_password(services: Services, context: RequestContext, server_id: str) -> None:
    """Forget it, so that the guest can leave another one; what its users log in with stays. Raises NotFound."""

    def work(session: Session) -> None:
        guest_passwords.forget(session, instances.get_visible(session, server_id, context).id)

    services.db.run(work)


def dump(services: Services, context: RequestContext, server_id: str) -> None:
    """Send the guest an NMI. Raises NotFound, Conflict, StateConflict."""
    instance = _ready(services, context, server_id, "trigger_crash_dump")
    _ask(services, instance, queries_v1.InjectNmi(instance_id=server_id))


def _ready(services: Services, context: RequestContext, server_id: str, asked: str) -> Instance:
    with services.db.read() as session:
        instance = instances.get_visible(session, server_id, context)
    check_not_locked(instance, context)
    check_state(instance, asked)
    if instance.node_name is None:
        raise Conflict(f"Instance {server_id} is not ready")
    return instance


def _ask(services: Services, instance: Instance, query: Query) -> None:
    answer = services.bus.ask(str(instance.node_name), query)
    if answer.error_code:
        raise Conflict(answer.message or f"The server's host answered {answer.error_code}.", instance_id=instance.id)
