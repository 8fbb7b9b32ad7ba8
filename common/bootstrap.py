"""The first things of a cloud: its roles, the Default domain, projects, users, and the catalogue. Idempotent.

Called by `cumulet db migrate --bootstrap` and the test fixtures. Ids are derived from the cloud's UUID, so that a
second run finds what the first one made; passwords and anything an administrator has changed are left alone, except
for the addresses of the endpoints made here, which follow the configuration.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common import log
from common.config import Config
from common.db.domains import DEFAULT_ID
from common.db.models import (
    Assignment,
    Domain,
    Endpoint,
    IdentityService,
    ImpliedRole,
    Project,
    Region,
    Role,
    User,
    VolumeType,
)
from common.db.tokens import SYSTEM_TARGET
from common.db.upsert import insert_ignore
from common.db.volume_types import DEFAULT_NAME
from common.passwords import passwords_for
from common.secret import Secret

logger = logging.getLogger(__name__)
USERS = ("admin", "demo")
PROJECTS = ("admin", "demo", "service")
ROLES = ("admin", "manager", "member", "reader", "service")
SERVICES = (  # type, name, path below the public URL
    ("identity", "keystone", "/identity/v3"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    ("block-storage", "cinder", "/volume/v3/$(project_id)s"),
    ("volumev3", "cinderv3", "/volume/v3/$(project_id)s"),  # the name that older clients look for
    ("placement", "placement", "/placement"),
    ("cumulet", "cumulet", "/cumulet/v1"),
)
INTERFACES = ("public", "internal", "admin")


def bootstrap(session: Session, config: Config, now: datetime, passwords: Mapping[str, Secret]) -> None:
    """Make what is missing; the caller's transaction.

    passwords: one for each of USERS that may have to be made; a user that exists keeps its own. Raises KeyError when a
    user has to be made and has none there.
    """
    insert_ignore(
        session,
        Domain,
        [
            {
                "id": DEFAULT_ID,
                "name": "Default",
                "description": "The default domain",
                "enabled": True,
                "tags": [],
                "extra": {},
                "tokens_valid_after": now,
                "created_at": now,
            }
        ],
    )
    if _insert_roles(session, config):  # later an administrator may have taken a rule away
        _insert_inferences(session)
    _insert_projects(session, config, now)
    _insert_users(session, config, now, passwords)
    _insert_assignments(session)
    _insert_default_volume_type(session, config, now)
    _insert_catalog(session, config)
    log.event(logger, "bootstrap.done", region=config.cloud.region, public_url=config.api.public_url)


def derived_id(config: Config, *parts: str) -> str:
    """The same hex id for the same parts in the same cloud, another one in another cloud."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("cumulet", config.cloud.uuid, *parts))).hex


def _insert_roles(session: Session, config: Config) -> int:
    """How many were missing. Immutable, because policy knows them by name."""
    return insert_ignore(
        session,
        Role,
        [
            {
                "id": derived_id(config, "roles", name),
                "name": name,
                "domain_id": "",
                "description": None,
                "options": {"immutable": True},
            }
            for name in ROLES
        ],
    )


def _insert_default_volume_type(session: Session, config: Config, now: datetime) -> None:
    """What volumes are of that name no type; no volume is without one."""
    row = {
        "id": str(uuid.UUID(derived_id(config, "volume-types", DEFAULT_NAME))), "name": DEFAULT_NAME,
        "description": "Default Volume Type", "is_public": True, "extra_specs": {}, "qos_specs_id": None,
        "created_at": now, "updated_at": None,
    }  # fmt: skip
    insert_ignore(session, VolumeType, [row])


def _insert_projects(session: Session, config: Config, now: datetime) -> None:
    insert_ignore(
        session,
        Project,
        [
            {
                "id": derived_id(config, "projects", name),
                "domain_id": DEFAULT_ID,
                "parent_id": None,
                "name": name,
                "description": f"Bootstrap project {name}",
                "enabled": True,
                "tags": [],
                "options": {},
                "extra": {},
                "tokens_valid_after": now,
                "created_at": now,
            }
            for name in PROJECTS
        ],
    )


def _insert_users(session: Session, config: Config, now: datetime, passwords: Mapping[str, Secret]) -> None:
    """Only missing users are hashed for: a second run costs no Argon2 and never resets a password."""
    ids = {name: derived_id(config, "users", name) for name in USERS}
    rows = session.execute(
        sa.select(User.id, User.name).where(
            User.domain_id == DEFAULT_ID, sa.or_(User.name.in_(USERS), User.id.in_(ids.values()))
        )
    )
    present = {value for row in rows for value in row}  # also one that an administrator has renamed
    hasher = passwords_for(config.identity)
    insert_ignore(
        session,
        User,
        [
            {
                "id": user_id,
                "domain_id": DEFAULT_ID,
                "name": name,
                "password_hash": hasher.hash(passwords[name]),
                "password_changed_at": now,
                "email": None,
                "description": None,
                "default_project_id": None,
                "enabled": True,
                "options": {},
                "extra": {},
                "tokens_valid_after": now,
                "created_at": now,
            }
            for name, user_id in ids.items()
            if not present & {name, user_id}
        ],
    )


def _insert_assignments(session: Session) -> None:
    """admin: on project admin, domain Default and the system. demo: member of project demo."""
    roles = _ids_by_name(session, Role, domain_id="")
    projects = _ids_by_name(session, Project, domain_id=DEFAULT_ID)
    users = _ids_by_name(session, User, domain_id=DEFAULT_ID)
    wanted = (
        ("admin", "admin", "project", projects.get("admin")),
        ("admin", "admin", "domain", DEFAULT_ID),
        ("admin", "admin", "system", SYSTEM_TARGET),
        ("demo", "member", "project", projects.get("demo")),
    )
    insert_ignore(
        session,
        Assignment,
        [
            {
                "actor_type": "user",
                "actor_id": users[user],
                "target_type": kind,
                "target_id": target,
                "role_id": roles[role],
                "inherited": False,
            }
            for user, role, kind, target in wanted
            if user in users and role in roles and target
        ],
    )


def _insert_inferences(session: Session) -> None:
    """admin implies manager, manager implies member, member implies reader: OpenStack's default roles."""
    roles = _ids_by_name(session, Role, domain_id="")
    pairs = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
    insert_ignore(
        session,
        ImpliedRole,
        [
            {"prior_role_id": roles[prior], "implied_role_id": roles[implied]}
            for prior, implied in pairs
            if prior in roles and implied in roles
        ],
    )


def _ids_by_name(session: Session, model: Any, *, domain_id: str) -> dict[str, str]:
    """Looked up by name, because an administrator may have made one of them first, with another id, or renamed it."""
    names = {Role: ROLES, Project: PROJECTS, User: USERS}[model]
    rows = session.execute(sa.select(model.name, model.id).where(model.domain_id == domain_id, model.name.in_(names)))
    return {row.name: row.id for row in rows}


def _insert_catalog(session: Session, config: Config) -> None:
    region = config.cloud.region
    insert_ignore(session, Region, [{"id": region, "description": "", "parent_region_id": None}])
    insert_ignore(
        session,
        IdentityService,
        [
            {"id": derived_id(config, "services", kind), "type": kind, "name": name, "description": "", "enabled": True}
            for kind, name, _path in SERVICES
        ],
    )
    for kind, _name, path in SERVICES:
        url = config.api.public_url.rstrip("/") + path
        ids = {interface: derived_id(config, "endpoints", region, kind, interface) for interface in INTERFACES}
        insert_ignore(
            session,
            Endpoint,
            [
                {
                    "id": endpoint_id,
                    "service_id": derived_id(config, "services", kind),
                    "interface": interface,
                    "region_id": region,
                    "url": url,
                    "enabled": True,
                }
                for interface, endpoint_id in ids.items()
            ],
        )
        session.execute(
            sa.update(Endpoint)
            .where(Endpoint.id.in_(ids.values()), Endpoint.url != url)
            .values(url=url)
            .execution_options(synchronize_session=False)
        )
