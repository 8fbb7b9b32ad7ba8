"""Consoles: by actions until 2.5, by remote-consoles from 2.6; and what a console's token stands for."""

from __future__ import annotations

from functools import partial
from typing import Any

from api.compute.operations import consoles, servers
from api.compute.schemas import consoles as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest
from common.rpc.queries_v1 import ConsoleKind

_KINDS = {"novnc": ConsoleKind.SCREEN, "serial": ConsoleKind.SERIAL}
_PROTOCOLS = {"novnc": "vnc", "xvpvnc": "vnc", "spice-html5": "spice", "spice-direct": "spice", "rdp-html5": "rdp",
              "serial": "serial", "webmks": "mks"}  # fmt: skip


def _by_action(name: str, request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.action(name))
    asked = request.body[name]["type"]
    return Reply({"console": {"type": asked, "url": _url(request, server_id, asked)}})


vnc = partial(_by_action, "os-getVNCConsole")
spice = partial(_by_action, "os-getSPICEConsole")
rdp = partial(_by_action, "os-getRDPConsole")
serial = partial(_by_action, "os-getSerialConsole")


def create(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.remote(request.version))
    wanted = request.body["remote_console"]
    if _PROTOCOLS[wanted["type"]] != wanted["protocol"]:
        raise InvalidRequest(f"There are no consoles of type {wanted['type']} by the protocol {wanted['protocol']}.")
    return Reply({"remote_console": {**wanted, "url": _url(request, server_id, wanted["type"])}})


def show_token(request: ApiRequest, token: str) -> Reply:
    """There is no port that could be connected to: the console service asks the node for the console by the token."""
    found = consoles.describe(request.services, token)
    shown: dict[str, Any] = {
        "instance_uuid": found.instance_id,
        "host": found.node_name,
        "port": 0,
        "internal_access_path": None,
    }
    if request.version >= Microversion(2, 99):
        shown["tls_port"] = None
    return Reply({"console": shown})


def _url(request: ApiRequest, server_id: str, asked: str) -> str:
    """Raises NotFound, and InvalidRequest for a type that this cloud's guests don't have."""
    if asked not in _KINDS:
        servers.check_there(request.services, request.context, server_id)
        raise InvalidRequest(f"Unavailable console type {asked}.")
    return consoles.address(request.services, request.context, server_id, _KINDS[asked])
