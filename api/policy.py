"""Who may call what: every route names one rule; the rules are these few, OpenStack's default roles.

A role implies others as the role inference rules in the database say (admin, manager, member, reader at first), which
are applied when the token is checked. Ownership of a resource is checked where it is
loaded (a stranger's resource is NotFound), not here. An operator may map a route's action key to another rule in the
policy file; `etc/policy.sample.json` is generated from the route tables.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from common.context import RequestContext
from common.errors import ConfigError, Forbidden, Unauthenticated


class Rule(StrEnum):
    PUBLIC = "public"  # no token needed
    AUTHENTICATED = "authenticated"  # any valid token, also unscoped
    READER = "reader"  # of the project in the token
    MEMBER = "member"
    MANAGER = "manager"
    SERVICE = "service"  # another service of the cloud, or an administrator
    ADMIN = "admin"  # in any scope
    CLOUD_ADMIN = "cloud_admin"  # in a project or on the system: the thing belongs to no domain
    CLOUD_READER = "cloud_reader"  # the same, or reader on the system
    DOMAIN_READER = "domain_reader"  # admin, or reader on the system or on a domain; the operation checks on which
    DOMAIN_MANAGER = "domain_manager"  # admin, or manager on a domain; the operation checks on which
    NODE = "node"  # an agent, by its node's secret; checked by the handler that serves it


def enforce(rule: Rule, context: RequestContext, action_key: str) -> None:
    """Raises Unauthenticated without a token, Forbidden when the rule isn't met."""
    if rule in (Rule.PUBLIC, Rule.NODE):
        return
    if not context.authenticated:
        raise Unauthenticated("The request you have made requires authentication.")
    if not _allows(rule, context):
        raise Forbidden(_refusal(action_key), needed=rule.value)


def _allows(rule: Rule, context: RequestContext) -> bool:
    if rule in (Rule.CLOUD_ADMIN, Rule.CLOUD_READER) and context.domain_id is not None:
        return False
    if rule == Rule.AUTHENTICATED or context.is_admin:
        return True
    if rule == Rule.CLOUD_READER:
        return context.reads_all
    if rule == Rule.DOMAIN_READER:
        return context.reads_all or (context.domain_id is not None and "reader" in context.roles)
    if rule == Rule.DOMAIN_MANAGER:
        return context.domain_id is not None and "manager" in context.roles
    if rule in (Rule.ADMIN, Rule.CLOUD_ADMIN):
        return False
    return rule.value in context.roles and context.project_id is not None


def _refusal(action_key: str) -> str:
    """In the words of the service; identity's action keys are Keystone's own ("identity:create_user")."""
    if action_key.startswith("identity:"):
        return f"You are not authorized to perform the requested action: {action_key}."
    return f"Policy doesn't allow {action_key} to be performed."


def load_overrides(path: str) -> dict[str, Rule]:
    """Read the operator's policy file: {"compute:servers:create": "admin", …}. Raises ConfigError."""
    if not path:
        return {}
    try:
        entries = json.loads(Path(path).read_text())
        return {str(key): Rule(value) for key, value in entries.items()}
    except (OSError, ValueError, AttributeError) as err:
        raise ConfigError(f"policy file {path}: {err}; rules are {', '.join(Rule)}") from err
