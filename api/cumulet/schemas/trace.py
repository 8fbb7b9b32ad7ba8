"""What the trace of a packet may be asked."""

from __future__ import annotations

import ipaddress

from api.cumulet.operations.trace import Asked
from api.request import ApiRequest
from common import protocols
from common.errors import InvalidRequest
from common.ids import is_uuid


def asked(request: ApiRequest, server_id: str) -> Asked:
    """target: an address, the id of a server, or `outside`, which is meant when nothing is said. Raises InvalidRequest."""
    protocol = _protocol(request.arg("protocol") or "icmp")
    return Asked(server_id, _target(request.arg("target") or "outside"), protocol, _port(request.arg("port"), protocol))


def _target(text: str) -> str | ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text == "outside":
        return None
    if is_uuid(text):
        return text
    try:
        found = ipaddress.ip_address(text)
    except ValueError as err:
        raise InvalidRequest(
            f"target must be an address, the id of a server, or outside, not {str(text)[:64]!r}."
        ) from err
    if found.version == 6 and found.scope_id is not None:
        raise InvalidRequest(f"target {text!r} has a scope, which means something on one machine alone.")
    return found


def _protocol(text: str) -> int:
    try:
        found = protocols.number(text)
    except ValueError as err:
        raise InvalidRequest(f"protocol {text[:32]!r} is neither a known name nor a number up to 255.") from err
    assert found is not None
    return found


def _port(text: str | None, protocol: int) -> int | None:
    if protocol not in protocols.WITH_PORTS:
        if text is not None:
            raise InvalidRequest(f"port has no meaning with protocol {protocol}.")
        return None
    if text is None or not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 65535):
        raise InvalidRequest(f"port must be a number from 1 to 65535 with protocol {protocol}, not {str(text)[:32]!r}.")
    return int(text)
