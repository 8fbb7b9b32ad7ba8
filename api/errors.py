"""The one map from errors to HTTP, and each service's own form of an error body. Anything not here is a logged 500."""

from __future__ import annotations

from typing import Any

from common import errors

STATUS: dict[type[errors.CloudError], int] = {
    errors.MalformedBody: 400,
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.VersionNotSupported: 406,
    errors.Conflict: 409,
    errors.NodeUnreachable: 409,
    errors.BodyTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.RateLimited: 429,
    errors.BusUnavailable: 503,
    errors.DatabaseUnavailable: 503,
}

_COMPUTE_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_NEUTRON_TYPES = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    409: "HTTPConflict",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    503: "HTTPServiceUnavailable",
}


def status_of(error: errors.CloudError) -> int:
    """The status of the nearest class in the map; a service may answer quota its own way through `http_status`."""
    override = error.facts.get("http_status")
    if isinstance(override, int):
        return override
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def title(status: int) -> str:
    return _TITLES.get(status, "Error")


def compute_form(status: int, message: str, _code: str) -> dict[str, Any]:
    return {_COMPUTE_FAULTS.get(status, "computeFault"): {"code": status, "message": message}}


def volume_form(status: int, message: str, code: str) -> dict[str, Any]:
    """Cinder's faults bear the same names as Nova's."""
    return compute_form(status, message, code)


def identity_form(status: int, message: str, _code: str) -> dict[str, Any]:
    return {"error": {"code": status, "title": title(status), "message": message}}


def network_form(status: int, message: str, code: str) -> dict[str, Any]:
    """`code` is Neutron's exception name where the error carries one (facts: neutron_type), else by status."""
    kind = code if code[:1].isupper() else _NEUTRON_TYPES.get(status, "HTTPInternalServerError")
    return {"NeutronError": {"type": kind, "message": message, "detail": ""}}


def image_form(status: int, message: str, _code: str) -> dict[str, Any]:
    return {"code": f"{status} {title(status)}", "title": title(status), "message": message}


def plain_form(status: int, message: str, code: str) -> dict[str, Any]:
    """Cumulet's own API: the stable code beside the message."""
    return {"error": {"code": code, "status": status, "message": message}}


def placement_form(status: int, message: str, code: str) -> dict[str, Any]:
    """Source: placement API reference, "Errors"; `code` is its own where the error carries one."""
    kind = code if code.startswith("placement.") else "placement.undefined_code"
    return {"errors": [{"status": status, "title": title(status), "detail": message, "code": kind}]}
