"""The rows of federation's bookkeeping."""

from __future__ import annotations

from api.identity.handlers import federation as handlers
from api.policy import Rule
from api.routing import Handler, Route

_TOP = "/OS-FEDERATION"
_IDP = f"{_TOP}/identity_providers/<idp_id>"
_PROTOCOL = f"{_IDP}/protocols/<protocol_id>"
_MAPPING = f"{_TOP}/mappings/<mapping_id>"
_SP = f"{_TOP}/service_providers/<sp_id>"


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    rule = Rule.CLOUD_READER if method == "GET" else Rule.CLOUD_ADMIN
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


FEDERATION = [
    _row("GET", f"{_TOP}/identity_providers", handlers.list_idps, "list_identity_providers"),
    _row("GET", _IDP, handlers.show_idp, "get_identity_provider"),
    _row("PUT", _IDP, handlers.create_idp, "create_identity_provider"),
    _row("PATCH", _IDP, handlers.update_idp, "update_identity_provider"),
    _row("DELETE", _IDP, handlers.delete_idp, "delete_identity_provider"),
    _row("GET", f"{_IDP}/protocols", handlers.list_protocols, "list_protocols"),
    _row("GET", _PROTOCOL, handlers.show_protocol, "get_protocol"),
    _row("PUT", _PROTOCOL, handlers.create_protocol, "create_protocol"),
    _row("PATCH", _PROTOCOL, handlers.update_protocol, "update_protocol"),
    _row("DELETE", _PROTOCOL, handlers.delete_protocol, "delete_protocol"),
    _row("GET", f"{_TOP}/mappings", handlers.list_mappings, "list_mappings"),
    _row("GET", _MAPPING, handlers.show_mapping, "get_mapping"),
    _row("PUT", _MAPPING, handlers.create_mapping, "create_mapping"),
    _row("PATCH", _MAPPING, handlers.update_mapping, "update_mapping"),
    _row("DELETE", _MAPPING, handlers.delete_mapping, "delete_mapping"),
    _row("GET", f"{_TOP}/service_providers", handlers.list_sps, "list_service_providers"),
    _row("GET", _SP, handlers.show_sp, "get_service_provider"),
    _row("PUT", _SP, handlers.create_sp, "create_service_provider"),
    _row("PATCH", _SP, handlers.update_sp, "update_service_provider"),
    _row("DELETE", _SP, handlers.delete_sp, "delete_service_provider"),
]
