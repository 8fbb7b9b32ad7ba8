"""Who asks: built once by authentication, passed down by value, never taken from headers (OSSA-2026-001)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """The verified caller of one request.

    project_id is None for domain-scoped, system-scoped and unscoped tokens. roles are lower-case names with implied
    roles expanded (admin > manager > member > reader).
    """

    request_id: str
    user_id: str = ""
    user_name: str = ""
    user_domain_id: str = ""
    project_id: str | None = None
    project_name: str = ""
    project_domain_id: str = ""
    domain_id: str | None = None  # domain scope
    system_scope: bool = False
    roles: frozenset[str] = frozenset()
    global_request_id: str | None = None
    client_address: str = ""  # of the connection, never from a header
    audit_id: str = ""
    chain_id: str = ""
    methods: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.user_id)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    def owns(self, project_id: str | None) -> bool:
        """True when the caller may see a resource of this project: it is its own, or it is an administrator."""
        return self.is_admin or (project_id is not None and project_id == self.project_id)
