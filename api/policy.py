"""Who may call what: every route names one rule; the rules are these few, OpenStack's default roles.

admin implies manager, manager implies member, member implies reader. Ownership of a resource is checked where it is
loaded (a stranger's resource is NotFound), not here. An operator may map a route's action key to another rule in the
policy file; `etc/policy.sample.json` is generated from the route tables.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from common.context import RequestContext
from common.errors import ConfigError, Forbidden, Unauthenticated

IMPLIED = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
}


class Rule(StrEnum):
    PUBLIC = "public"  # no token needed
    AUTHENTICATED = "authenticated"  # any valid token, also unscoped
    READER = "reader"  # of the project in the token
    MEMBER = "member"
    MANAGER = "manager"
    ADMIN = "admin"
    NODE = "node"  # an agent, by its node's secret; checked by the handler that serves it


def expand_roles(names: frozenset[str]) -> frozenset[str]:
    """Role names, lower-cased, with the implied ones."""
    found: set[str] = set()
    for name in names:
        lowered = name.lower()
        found.update(IMPLIED.get(lowered, (lowered,)))
    return frozenset(found)


def enforce(rule: Rule, context: RequestContext, action_key: str) -> None:
    """Raises Unauthenticated without a token, Forbidden when the rule isn't met."""
    if rule in (Rule.PUBLIC, Rule.NODE):
        return
    if not context.authenticated:
        raise Unauthenticated("The request you have made requires authentication.")
    if rule == Rule.AUTHENTICATED or context.is_admin:
        return
    if rule == Rule.ADMIN or rule.value not in context.roles or context.project_id is None:
        raise Forbidden(_refusal(action_key), needed=rule.value)


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
