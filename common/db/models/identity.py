"""Identity: domains, projects, users, roles, assignments, the catalogue, and what revokes a token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Name


class Domain(Base):
    __tablename__ = "domains"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    tags: Mapped[list[Any]] = mapped_column(default=list)
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tokens_valid_after: Mapped[datetime]  # tokens of its users and projects issued before this are dead
    created_at: Mapped[datetime]


class Project(Base):
    __tablename__ = "projects"
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    domain_id: Mapped[str] = mapped_column(sa.ForeignKey("domains.id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(sa.String(64))  # None: directly under the domain
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    tags: Mapped[list[Any]] = mapped_column(default=list)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tokens_valid_after: Mapped[datetime]
    created_at: Mapped[datetime]


class User(Base):
    __tablename__ = "users"
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    domain_id: Mapped[str] = mapped_column(sa.ForeignKey("domains.id"), index=True)
    name: Mapped[str] = mapped_column(Name)
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    password_changed_at: Mapped[datetime | None]
    email: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    default_project_id: Mapped[str | None] = mapped_column(sa.String(64))
    enabled: Mapped[bool] = mapped_column(default=True)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tokens_valid_after: Mapped[datetime]
    created_at: Mapped[datetime]


class Role(Base):
    __tablename__ = "roles"
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    domain_id: Mapped[str] = mapped_column(sa.String(64), default="")  # "": a global role
    description: Mapped[str | None] = mapped_column(sa.Text)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ImpliedRole(Base):
    """Who has the prior role has the implied one too, in the same scope."""

    __tablename__ = "implied_roles"
    prior_role_id: Mapped[str] = mapped_column(sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    implied_role_id: Mapped[str] = mapped_column(
        sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Group(Base):
    """Users who share their role assignments."""

    __tablename__ = "groups"
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    domain_id: Mapped[str] = mapped_column(sa.ForeignKey("domains.id"), index=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)


class GroupMember(Base):
    __tablename__ = "group_members"
    group_id: Mapped[str] = mapped_column(sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)


class ApplicationCredential(Base):
    """Lets a program log in as its user with some of the user's roles in one project; see the operation of that name.

    role_ids: what it was made with. Its token has those of them that the user still has there. access_rules: ids of
    AccessRule; None: any request.
    """

    __tablename__ = "application_credentials"
    __table_args__ = (sa.UniqueConstraint("user_id", "name"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    secret_hash: Mapped[str] = mapped_column(sa.String(255))
    role_ids: Mapped[list[Any]] = mapped_column(default=list)
    unrestricted: Mapped[bool] = mapped_column(default=False)
    access_rules: Mapped[list[Any] | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class AccessRule(Base):
    """One kind of request that application credentials of its user may be limited to."""

    __tablename__ = "access_rules"
    __table_args__ = (sa.UniqueConstraint("user_id", "service", "method", "path"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    service: Mapped[str] = mapped_column(Name)
    method: Mapped[str] = mapped_column(sa.String(16))
    path: Mapped[str] = mapped_column(sa.String(128))


class Credential(Base):
    """Something secret that a user keeps here for a service, such as an EC2 key. `secret` is encrypted (OPS-05)."""

    __tablename__ = "credentials"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str | None] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    type: Mapped[str] = mapped_column(Name)
    secret: Mapped[str] = mapped_column(sa.Text)


class Assignment(Base):
    """actor_type: user or group. target_type: project, domain or system (target_id "all")."""

    __tablename__ = "assignments"
    actor_type: Mapped[str] = mapped_column(sa.String(8), primary_key=True, default="user")
    actor_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    target_type: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    target_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True, index=True)
    role_id: Mapped[str] = mapped_column(sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    inherited: Mapped[bool] = mapped_column(primary_key=True, default=False)


class Region(Base):
    __tablename__ = "regions"
    id: Mapped[str] = mapped_column(Name, primary_key=True)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    parent_region_id: Mapped[str | None] = mapped_column(Name)


class IdentityService(Base):
    """A service of the catalogue (the table `services` holds processes)."""

    __tablename__ = "catalog_services"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    type: Mapped[str] = mapped_column(Name)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)


class Endpoint(Base):
    __tablename__ = "endpoints"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    service_id: Mapped[str] = mapped_column(sa.ForeignKey("catalog_services.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(sa.String(8))  # public, internal, admin
    region_id: Mapped[str | None] = mapped_column(sa.ForeignKey("regions.id"))
    url: Mapped[str] = mapped_column(sa.Text)
    enabled: Mapped[bool] = mapped_column(default=True)


class Policy(Base):
    """A text that some service keeps here; nothing in this cloud reads it."""

    __tablename__ = "policies"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    type: Mapped[str] = mapped_column(Name)
    blob: Mapped[str] = mapped_column(sa.Text)


class PolicyAssociation(Base):
    """Which policy an endpoint follows: its own, its service's in a region, or its service's. `target`: the three ids."""

    __tablename__ = "policy_associations"
    target: Mapped[str] = mapped_column(sa.String(512), primary_key=True)
    policy_id: Mapped[str] = mapped_column(sa.ForeignKey("policies.id", ondelete="CASCADE"), index=True)
    endpoint_id: Mapped[str | None] = mapped_column(sa.ForeignKey("endpoints.id", ondelete="CASCADE"))
    service_id: Mapped[str | None] = mapped_column(sa.ForeignKey("catalog_services.id", ondelete="CASCADE"))
    region_id: Mapped[str | None] = mapped_column(sa.ForeignKey("regions.id", ondelete="CASCADE"))


class RevokedToken(Base):
    """One token (audit_id) or a whole chain of rescoped tokens; kept until the token would have expired anyway."""

    __tablename__ = "revoked_tokens"
    audit_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LoginFailure(Base):
    """Failed logins by account (AUTH-09); `key` is a hash of domain and name, so that unknown names count too."""

    __tablename__ = "login_failures"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[datetime | None]
    last_at: Mapped[datetime] = mapped_column(index=True)
