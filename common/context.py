"""Who asks: built once by authentication, passed down by value, never taken from headers (OSSA-2026-001)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AccessRule:
    """One kind of request. path: below the service, "*" and "{name}" stand for one segment, "**" for any number."""

    service: str
    method: str
    path: str


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
    application_credential_id: str | None = None  # that the token was made with
    trust_id: str | None = None  # that the token was made with
    restricted: bool = False  # made with a credential or trust that may not make or take away credentials
    access_rules: tuple[AccessRule, ...] | None = None  # the only requests that the credential is for; None: any

    @property
    def authenticated(self) -> bool:
        return bool(self.user_id)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def reads_all(self) -> bool:
        """An administrator, or a reader on the system: may see what belongs to anybody in the identity service."""
        return self.is_admin or (self.system_scope and "reader" in self.roles)

    def owns(self, project_id: str | None) -> bool:
        """True when the caller may see a resource of this project: it is its own, or it is an administrator."""
        return self.is_admin or (project_id is not None and project_id == self.project_id)
