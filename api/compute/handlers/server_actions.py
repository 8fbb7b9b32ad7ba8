"""POST /servers/{id}/action, one handler per action, and diagnostics."""

from __future__ import annotations

from api.compute.operations import server_actions, server_guest, server_security_groups
from api.compute.schemas import servers as schemas
from api.compute.views import diagnostics as diagnostics_view
from api.compute.views import security_groups as groups_view
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest
from common.secret import Secret
from common.states import Action, VmState

MAX_CONSOLE_LINES = 100_000


def start(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.START)
    server_actions.begin(request.services, request.context, server_id, Action.START)
    return Reply(status=202)


def stop(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.STOP)
    server_actions.begin(request.services, request.context, server_id, Action.STOP)
    return Reply(status=202)


def reboot(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.REBOOT)
    hard = request.body["reboot"]["type"].upper() == "HARD"
    server_actions.begin(request.services, request.context, server_id, Action.REBOOT_HARD if hard else Action.REBOOT)
    return Reply(status=202)


def pause(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.PAUSE)
    server_actions.begin(request.services, request.context, server_id, Action.PAUSE)
    return Reply(status=202)


def unpause(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.UNPAUSE)
    server_actions.begin(request.services, request.context, server_id, Action.UNPAUSE)
    return Reply(status=202)


def suspend(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.SUSPEND)
    server_actions.begin(request.services, request.context, server_id, Action.SUSPEND)
    return Reply(status=202)


def resume(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.RESUME)
    server_actions.begin(request.services, request.context, server_id, Action.RESUME)
    return Reply(status=202)


def force_delete(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.FORCE_DELETE)
    server_actions.begin(request.services, request.context, server_id, Action.DELETE)
    return Reply(status=202)


def restore(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.RESTORE)
    server_actions.restore(request.services, request.context, server_id)
    return Reply(status=202)


def console_log(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CONSOLE_LOG)
    length = (request.body["os-getConsoleOutput"] or {}).get("length")
    lines = None if length is None or int(length) == -1 else int(length)
    if lines is not None and not 0 <= lines <= MAX_CONSOLE_LINES:
        raise InvalidRequest(
            f"Invalid input for field/attribute length. Value: {length}. 0 to {MAX_CONSOLE_LINES}, or -1."
        )
    return Reply({"output": server_actions.console_log(request.services, request.context, server_id, lines)})


def lock(request: ApiRequest, server_id: str) -> Reply:
    reasons = request.version >= Microversion(2, 73)
    validate(request.body, schemas.LOCK_273 if reasons else schemas.LOCK)
    reason = (request.body["lock"] or {}).get("locked_reason") if reasons else None
    server_actions.lock(request.services, request.context, server_id, reason)
    return Reply(status=202)


def unlock(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.UNLOCK)
    server_actions.unlock(request.services, request.context, server_id)
    return Reply(status=202)


def reset_state(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.RESET_STATE)
    to = VmState(request.body["os-resetState"]["state"])
    server_actions.reset_state(request.services, request.context, server_id, to)
    return Reply(status=202)


def inject_network_info(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.INJECT_NETWORK)
    server_actions.tell_node_of_network(request.services, request.context, server_id)
    return Reply(status=202)


def reset_network(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.RESET_NETWORK)
    server_actions.tell_node_of_network(request.services, request.context, server_id)
    return Reply(status=202)


def change_password(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CHANGE_PASSWORD)
    password = Secret(request.body["changePassword"]["adminPass"])
    server_guest.change_password(request.services, request.context, server_id, password)
    return Reply(status=202)


def trigger_crash_dump(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CRASH_DUMP)
    server_guest.dump(request.services, request.context, server_id)
    return Reply(status=202)


def add_security_group(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.ADD_GROUP)
    name = request.body["addSecurityGroup"]["name"]
    server_security_groups.add(request.services, request.context, server_id, name)
    return Reply(status=202)


def remove_security_group(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_GROUP)
    name = request.body["removeSecurityGroup"]["name"]
    server_security_groups.remove(request.services, request.context, server_id, name)
    return Reply(status=202)


def list_security_groups(request: ApiRequest, server_id: str) -> Reply:
    found = server_security_groups.list_of(request.services, request.context, server_id)
    return Reply({"security_groups": [groups_view.group(row) for row in found]})


def diagnostics(request: ApiRequest, server_id: str) -> Reply:
    instance, answer = server_actions.diagnostics(request.services, request.context, server_id)
    return Reply(diagnostics_view.show(instance, answer.data, reader(request)))
