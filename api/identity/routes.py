"""The Identity API's table of contents: one row per method and path, with its rule. Action keys are Keystone's own.

Where the rule is AUTHENTICATED, DOMAIN_READER or DOMAIN_MANAGER the operation checks whose the thing is.
"""

from __future__ import annotations

from api.errors import identity_form
from api.identity.handlers import (
    application_credentials,
    auth,
    credentials,
    domains,
    endpoints,
    groups,
    projects,
    regions,
    roles,
    services,
    users,
    versions,
)
from api.identity.routes_endpoint_filter import ENDPOINT_FILTER
from api.identity.routes_federation import FEDERATION
from api.identity.routes_grants import GRANTS
from api.identity.routes_limits import LIMITS
from api.identity.routes_policies import POLICIES
from api.identity.routes_trusts import TRUSTS
from api.policy import Rule
from api.routing import Api, Handler, Route


def _row(method: str, path: str, rule: Rule, handler: Handler, key: str) -> Route:
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


_TAGS = "/projects/<project_id>/tags"
_APPLICATION_CREDENTIALS = "/users/<user_id>/application_credentials"
_EC2 = "/users/<user_id>/credentials/OS-EC2"
_IMPLIES = "/roles/<role_id>/implies"

ROUTES = [
    _row("GET", "", Rule.PUBLIC, versions.show_v3, "get_version"),
    _row("POST", "/auth/tokens", Rule.PUBLIC, auth.create_token, "create_token"),
    _row("GET", "/auth/tokens", Rule.AUTHENTICATED, auth.show_token, "validate_token"),
    _row("DELETE", "/auth/tokens", Rule.AUTHENTICATED, auth.revoke_token, "revoke_token"),
    _row("GET", "/auth/catalog", Rule.AUTHENTICATED, auth.show_catalog, "get_auth_catalog"),
    _row("GET", "/auth/projects", Rule.AUTHENTICATED, auth.list_projects, "get_auth_projects"),
    _row("GET", "/auth/domains", Rule.AUTHENTICATED, auth.list_domains, "get_auth_domains"),
    _row("GET", "/auth/system", Rule.AUTHENTICATED, auth.list_system, "get_auth_system"),
    _row("GET", "/domains", Rule.DOMAIN_READER, domains.list_domains, "list_domains"),
    _row("POST", "/domains", Rule.CLOUD_ADMIN, domains.create, "create_domain"),
    _row("GET", "/domains/<domain_id>", Rule.AUTHENTICATED, domains.show, "get_domain"),
    _row("PATCH", "/domains/<domain_id>", Rule.CLOUD_ADMIN, domains.update, "update_domain"),
    _row("DELETE", "/domains/<domain_id>", Rule.CLOUD_ADMIN, domains.delete, "delete_domain"),
    _row("GET", "/projects", Rule.DOMAIN_READER, projects.list_projects, "list_projects"),
    _row("POST", "/projects", Rule.DOMAIN_MANAGER, projects.create, "create_project"),
    _row("GET", "/projects/<project_id>", Rule.AUTHENTICATED, projects.show, "get_project"),
    _row("PATCH", "/projects/<project_id>", Rule.DOMAIN_MANAGER, projects.update, "update_project"),
    _row("DELETE", "/projects/<project_id>", Rule.DOMAIN_MANAGER, projects.delete, "delete_project"),
    _row("GET", _TAGS, Rule.AUTHENTICATED, projects.list_tags, "list_project_tags"),
    _row("PUT", _TAGS, Rule.DOMAIN_MANAGER, projects.replace_tags, "update_project_tags"),
    _row("DELETE", _TAGS, Rule.DOMAIN_MANAGER, projects.remove_tags, "delete_project_tags"),
    _row("GET", f"{_TAGS}/<tag>", Rule.AUTHENTICATED, projects.check_tag, "get_project_tag"),
    _row("PUT", f"{_TAGS}/<tag>", Rule.DOMAIN_MANAGER, projects.add_tag, "create_project_tag"),
    _row("DELETE", f"{_TAGS}/<tag>", Rule.DOMAIN_MANAGER, projects.remove_tag, "delete_project_tag"),
    _row("GET", "/users", Rule.DOMAIN_READER, users.list_users, "list_users"),
    _row("POST", "/users", Rule.DOMAIN_MANAGER, users.create, "create_user"),
    _row("GET", "/users/<user_id>", Rule.AUTHENTICATED, users.show, "get_user"),
    _row("PATCH", "/users/<user_id>", Rule.DOMAIN_MANAGER, users.update, "update_user"),
    _row("DELETE", "/users/<user_id>", Rule.DOMAIN_MANAGER, users.delete, "delete_user"),
    _row("POST", "/users/<user_id>/password", Rule.AUTHENTICATED, users.change_password, "change_password"),
    _row("GET", "/users/<user_id>/projects", Rule.AUTHENTICATED, users.list_projects, "list_user_projects"),
    _row("GET", "/users/<user_id>/groups", Rule.AUTHENTICATED, groups.list_of_user, "list_groups_for_user"),
    _row("GET", "/groups", Rule.DOMAIN_READER, groups.list_groups, "list_groups"),
    _row("POST", "/groups", Rule.DOMAIN_MANAGER, groups.create, "create_group"),
    _row("GET", "/groups/<group_id>", Rule.DOMAIN_READER, groups.show, "get_group"),
    _row("PATCH", "/groups/<group_id>", Rule.DOMAIN_MANAGER, groups.update, "update_group"),
    _row("DELETE", "/groups/<group_id>", Rule.DOMAIN_MANAGER, groups.delete, "delete_group"),
    _row("GET", "/groups/<group_id>/users", Rule.DOMAIN_READER, groups.list_users, "list_users_in_group"),
    _row("GET", "/groups/<group_id>/users/<user_id>", Rule.DOMAIN_READER, groups.check_user, "check_user_in_group"),
    _row("PUT", "/groups/<group_id>/users/<user_id>", Rule.DOMAIN_MANAGER, groups.add_user, "add_user_to_group"),
    _row(
        "DELETE",
        "/groups/<group_id>/users/<user_id>",
        Rule.DOMAIN_MANAGER,
        groups.remove_user,
        "remove_user_from_group",
    ),
    _row(
        "GET",
        _APPLICATION_CREDENTIALS,
        Rule.AUTHENTICATED,
        application_credentials.list_credentials,
        "list_application_credentials",
    ),
    _row(
        "POST",
        _APPLICATION_CREDENTIALS,
        Rule.AUTHENTICATED,
        application_credentials.create,
        "create_application_credential",
    ),
    _row(
        "GET",
        f"{_APPLICATION_CREDENTIALS}/<credential_id>",
        Rule.AUTHENTICATED,
        application_credentials.show,
        "get_application_credential",
    ),
    _row(
        "DELETE",
        f"{_APPLICATION_CREDENTIALS}/<credential_id>",
        Rule.AUTHENTICATED,
        application_credentials.delete,
        "delete_application_credential",
    ),
    _row(
        "GET",
        "/users/<user_id>/access_rules",
        Rule.AUTHENTICATED,
        application_credentials.list_rules,
        "list_access_rules",
    ),
    _row(
        "GET",
        "/users/<user_id>/access_rules/<rule_id>",
        Rule.AUTHENTICATED,
        application_credentials.show_rule,
        "get_access_rule",
    ),
    _row(
        "DELETE",
        "/users/<user_id>/access_rules/<rule_id>",
        Rule.AUTHENTICATED,
        application_credentials.delete_rule,
        "delete_access_rule",
    ),
    _row("GET", "/credentials", Rule.AUTHENTICATED, credentials.list_credentials, "list_credentials"),
    _row("POST", "/credentials", Rule.AUTHENTICATED, credentials.create, "create_credential"),
    _row("GET", "/credentials/<credential_id>", Rule.AUTHENTICATED, credentials.show, "get_credential"),
    _row("PATCH", "/credentials/<credential_id>", Rule.AUTHENTICATED, credentials.update, "update_credential"),
    _row("DELETE", "/credentials/<credential_id>", Rule.AUTHENTICATED, credentials.delete, "delete_credential"),
    _row("GET", _EC2, Rule.AUTHENTICATED, credentials.list_ec2, "ec2_list_credentials"),
    _row("POST", _EC2, Rule.AUTHENTICATED, credentials.create_ec2, "ec2_create_credential"),
    _row("GET", f"{_EC2}/<access>", Rule.AUTHENTICATED, credentials.show_ec2, "ec2_get_credential"),
    _row("DELETE", f"{_EC2}/<access>", Rule.AUTHENTICATED, credentials.delete_ec2, "ec2_delete_credential"),
    _row("GET", "/roles", Rule.AUTHENTICATED, roles.list_roles, "list_roles"),
    _row("POST", "/roles", Rule.CLOUD_ADMIN, roles.create, "create_role"),
    _row("GET", "/roles/<role_id>", Rule.AUTHENTICATED, roles.show, "get_role"),
    _row("PATCH", "/roles/<role_id>", Rule.AUTHENTICATED, roles.update, "update_role"),
    _row("DELETE", "/roles/<role_id>", Rule.AUTHENTICATED, roles.delete, "delete_role"),
    _row("GET", "/role_inferences", Rule.CLOUD_READER, roles.list_inferences, "list_role_inference_rules"),
    _row("GET", _IMPLIES, Rule.CLOUD_READER, roles.list_implied, "list_implied_roles"),
    _row("GET", f"{_IMPLIES}/<implied_role_id>", Rule.CLOUD_READER, roles.show_implied, "get_implied_role"),
    _row("HEAD", f"{_IMPLIES}/<implied_role_id>", Rule.CLOUD_READER, roles.check_implied, "check_implied_role"),
    _row("PUT", f"{_IMPLIES}/<implied_role_id>", Rule.CLOUD_ADMIN, roles.imply, "create_implied_role"),
    _row("DELETE", f"{_IMPLIES}/<implied_role_id>", Rule.CLOUD_ADMIN, roles.stop_implying, "delete_implied_role"),
    *GRANTS,
    *POLICIES,
    *ENDPOINT_FILTER,
    *LIMITS,
    *FEDERATION,
    *TRUSTS,
    _row("GET", "/regions", Rule.AUTHENTICATED, regions.list_regions, "list_regions"),
    _row("POST", "/regions", Rule.CLOUD_ADMIN, regions.create, "create_region"),
    _row("GET", "/regions/<region_id>", Rule.AUTHENTICATED, regions.show, "get_region"),
    _row("PUT", "/regions/<region_id>", Rule.CLOUD_ADMIN, regions.create_named, "create_region"),
    _row("PATCH", "/regions/<region_id>", Rule.CLOUD_ADMIN, regions.update, "update_region"),
    _row("DELETE", "/regions/<region_id>", Rule.CLOUD_ADMIN, regions.delete, "delete_region"),
    _row("GET", "/services", Rule.CLOUD_READER, services.list_services, "list_services"),
    _row("POST", "/services", Rule.CLOUD_ADMIN, services.create, "create_service"),
    _row("GET", "/services/<service_id>", Rule.CLOUD_READER, services.show, "get_service"),
    _row("PATCH", "/services/<service_id>", Rule.CLOUD_ADMIN, services.update, "update_service"),
    _row("DELETE", "/services/<service_id>", Rule.CLOUD_ADMIN, services.delete, "delete_service"),
    _row("GET", "/endpoints", Rule.CLOUD_READER, endpoints.list_endpoints, "list_endpoints"),
    _row("POST", "/endpoints", Rule.CLOUD_ADMIN, endpoints.create, "create_endpoint"),
    _row("GET", "/endpoints/<endpoint_id>", Rule.CLOUD_READER, endpoints.show, "get_endpoint"),
    _row("PATCH", "/endpoints/<endpoint_id>", Rule.CLOUD_ADMIN, endpoints.update, "update_endpoint"),
    _row("DELETE", "/endpoints/<endpoint_id>", Rule.CLOUD_ADMIN, endpoints.delete, "delete_endpoint"),
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
