"""The Identity API's table of contents: one row per method and path, with its rule. Action keys are Keystone's own.

Where the rule is AUTHENTICATED the operation checks that the caller asks about itself; everything else here is for
administrators.
"""

from __future__ import annotations

from api.errors import identity_form
from api.identity.handlers import (
    assignments,
    auth,
    domains,
    endpoints,
    projects,
    regions,
    roles,
    services,
    users,
    versions,
)
from api.policy import Rule
from api.routing import Api, Handler, Route


def _row(method: str, path: str, rule: Rule, handler: Handler, key: str) -> Route:
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


ROUTES = [
    _row("GET", "", Rule.PUBLIC, versions.show_v3, "get_version"),
    _row("POST", "/auth/tokens", Rule.PUBLIC, auth.create_token, "create_token"),
    _row("GET", "/auth/tokens", Rule.AUTHENTICATED, auth.show_token, "validate_token"),
    _row("DELETE", "/auth/tokens", Rule.AUTHENTICATED, auth.revoke_token, "revoke_token"),
    _row("GET", "/auth/catalog", Rule.AUTHENTICATED, auth.show_catalog, "get_auth_catalog"),
    _row("GET", "/auth/projects", Rule.AUTHENTICATED, auth.list_projects, "get_auth_projects"),
    _row("GET", "/auth/domains", Rule.AUTHENTICATED, auth.list_domains, "get_auth_domains"),
    _row("GET", "/auth/system", Rule.AUTHENTICATED, auth.list_system, "get_auth_system"),
    _row("GET", "/domains", Rule.ADMIN, domains.list_domains, "list_domains"),
    _row("POST", "/domains", Rule.ADMIN, domains.create, "create_domain"),
    _row("GET", "/domains/<domain_id>", Rule.AUTHENTICATED, domains.show, "get_domain"),
    _row("PATCH", "/domains/<domain_id>", Rule.ADMIN, domains.update, "update_domain"),
    _row("DELETE", "/domains/<domain_id>", Rule.ADMIN, domains.delete, "delete_domain"),
    _row("GET", "/projects", Rule.ADMIN, projects.list_projects, "list_projects"),
    _row("POST", "/projects", Rule.ADMIN, projects.create, "create_project"),
    _row("GET", "/projects/<project_id>", Rule.AUTHENTICATED, projects.show, "get_project"),
    _row("PATCH", "/projects/<project_id>", Rule.ADMIN, projects.update, "update_project"),
    _row("DELETE", "/projects/<project_id>", Rule.ADMIN, projects.delete, "delete_project"),
    _row("GET", "/users", Rule.ADMIN, users.list_users, "list_users"),
    _row("POST", "/users", Rule.ADMIN, users.create, "create_user"),
    _row("GET", "/users/<user_id>", Rule.AUTHENTICATED, users.show, "get_user"),
    _row("PATCH", "/users/<user_id>", Rule.ADMIN, users.update, "update_user"),
    _row("DELETE", "/users/<user_id>", Rule.ADMIN, users.delete, "delete_user"),
    _row("POST", "/users/<user_id>/password", Rule.AUTHENTICATED, users.change_password, "change_password"),
    _row("GET", "/users/<user_id>/projects", Rule.AUTHENTICATED, users.list_projects, "list_user_projects"),
    _row("GET", "/roles", Rule.ADMIN, roles.list_roles, "list_roles"),
    _row("POST", "/roles", Rule.ADMIN, roles.create, "create_role"),
    _row("GET", "/roles/<role_id>", Rule.ADMIN, roles.show, "get_role"),
    _row("PATCH", "/roles/<role_id>", Rule.ADMIN, roles.update, "update_role"),
    _row("DELETE", "/roles/<role_id>", Rule.ADMIN, roles.delete, "delete_role"),
    _row("GET", "/role_assignments", Rule.ADMIN, assignments.list_assignments, "list_role_assignments"),
    *(
        row
        for users_of in ("/projects/<project_id>/users/<user_id>/roles", "/domains/<domain_id>/users/<user_id>/roles")
        for row in (
            _row("GET", users_of, Rule.ADMIN, assignments.list_roles, "list_grants"),
            _row("PUT", users_of + "/<role_id>", Rule.ADMIN, assignments.grant, "create_grant"),
            _row("GET", users_of + "/<role_id>", Rule.ADMIN, assignments.check, "check_grant"),
            _row("DELETE", users_of + "/<role_id>", Rule.ADMIN, assignments.revoke, "revoke_grant"),
        )
    ),
    _row("GET", "/system/users/<user_id>/roles", Rule.ADMIN, assignments.list_roles, "list_system_grants_for_user"),
    _row(
        "PUT", "/system/users/<user_id>/roles/<role_id>", Rule.ADMIN, assignments.grant, "create_system_grant_for_user"
    ),
    _row(
        "GET", "/system/users/<user_id>/roles/<role_id>", Rule.ADMIN, assignments.check, "check_system_grant_for_user"
    ),
    _row(
        "DELETE",
        "/system/users/<user_id>/roles/<role_id>",
        Rule.ADMIN,
        assignments.revoke,
        "revoke_system_grant_for_user",
    ),
    *(
        _row(
            method,
            f"/OS-INHERIT/domains/<domain_id>/users/<user_id>/roles{path}/inherited_to_projects",
            Rule.ADMIN,
            handler,
            key,
        )
        for method, path, handler, key in (
            ("GET", "", assignments.list_roles, "list_grants"),
            ("PUT", "/<role_id>", assignments.grant, "create_grant"),
            ("GET", "/<role_id>", assignments.check, "check_grant"),
            ("DELETE", "/<role_id>", assignments.revoke, "revoke_grant"),
        )
    ),
    _row("GET", "/regions", Rule.AUTHENTICATED, regions.list_regions, "list_regions"),
    _row("POST", "/regions", Rule.ADMIN, regions.create, "create_region"),
    _row("GET", "/regions/<region_id>", Rule.AUTHENTICATED, regions.show, "get_region"),
    _row("PUT", "/regions/<region_id>", Rule.ADMIN, regions.create_named, "create_region"),
    _row("PATCH", "/regions/<region_id>", Rule.ADMIN, regions.update, "update_region"),
    _row("DELETE", "/regions/<region_id>", Rule.ADMIN, regions.delete, "delete_region"),
    _row("GET", "/services", Rule.ADMIN, services.list_services, "list_services"),
    _row("POST", "/services", Rule.ADMIN, services.create, "create_service"),
    _row("GET", "/services/<service_id>", Rule.ADMIN, services.show, "get_service"),
    _row("PATCH", "/services/<service_id>", Rule.ADMIN, services.update, "update_service"),
    _row("DELETE", "/services/<service_id>", Rule.ADMIN, services.delete, "delete_service"),
    _row("GET", "/endpoints", Rule.ADMIN, endpoints.list_endpoints, "list_endpoints"),
    _row("POST", "/endpoints", Rule.ADMIN, endpoints.create, "create_endpoint"),
    _row("GET", "/endpoints/<endpoint_id>", Rule.ADMIN, endpoints.show, "get_endpoint"),
    _row("PATCH", "/endpoints/<endpoint_id>", Rule.ADMIN, endpoints.update, "update_endpoint"),
    _row("DELETE", "/endpoints/<endpoint_id>", Rule.ADMIN, endpoints.delete, "delete_endpoint"),
]

APIS = [
    Api("identity", "/identity/v3", ROUTES, identity_form),
    Api(
        "identity-versions",
        "/identity",
        [_row("GET", "", Rule.PUBLIC, versions.list_versions, "list_versions")],
        identity_form,
    ),
    Api("root", "", [_row("GET", "/", Rule.PUBLIC, versions.root, "root")], identity_form),
]
