"""Routes of groups and their snapshots, transfers, messages, quota, and of the machines behind the service."""

from __future__ import annotations

from api.policy import Rule
from api.routing import Handler, Route
from api.volume.handlers import extensions, group_snapshots, groups, messages, quota_sets, services, transfers

_GROUP = "/groups/<group_id>"
_GROUP_SNAPSHOT = "/group_snapshots/<group_snapshot_id>"
ADMIN, READER, MEMBER = Rule.ADMIN, Rule.READER, Rule.MEMBER


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule, *, action: str | None = None,
         since: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, None, rule, handler, f"volume:{key}")


GROUPS = (
    _row("GET", "/groups", groups.list_summary, "groups:index", READER, since="3.13"),
    _row("GET", "/groups/detail", groups.list_detail, "groups:detail", READER, since="3.13"),
    _row("POST", "/groups", groups.create, "groups:create", MEMBER, since="3.13"),
    _row("POST", "/groups/action", groups.create_from_source, "groups:create_from_source", MEMBER,
         action="create-from-src", since="3.14"),
    _row("GET", _GROUP, groups.show, "groups:show", READER, since="3.13"),
    _row("PUT", _GROUP, groups.update, "groups:update", MEMBER, since="3.13"),
    _row("POST", f"{_GROUP}/action", groups.delete, "groups:delete", MEMBER, action="delete", since="3.13"),
    _row("POST", f"{_GROUP}/action", groups.reset_status, "groups:reset_status", ADMIN, action="reset_status",
         since="3.20"),
    _row("GET", "/group_snapshots", group_snapshots.list_summary, "group-snapshots:index", READER, since="3.14"),
    _row("GET", "/group_snapshots/detail", group_snapshots.list_detail, "group-snapshots:detail", READER, since="3.14"),
    _row("POST", "/group_snapshots", group_snapshots.create, "group-snapshots:create", MEMBER, since="3.14"),
    _row("GET", _GROUP_SNAPSHOT, group_snapshots.show, "group-snapshots:show", READER, since="3.14"),
    _row("DELETE", _GROUP_SNAPSHOT, group_snapshots.delete, "group-snapshots:delete", MEMBER, since="3.14"),
    _row("POST", f"{_GROUP_SNAPSHOT}/action", group_snapshots.reset_status, "group-snapshots:reset_status", ADMIN,
         action="reset_status", since="3.19"),
)  # fmt: skip


def _transfers(path: str, since: str | None) -> tuple[Route, ...]:
    """The same, under the older and the newer name."""
    name, one = path.strip("/"), f"{path}/<transfer_id>"
    return (
        _row("GET", path, transfers.list_summary, f"{name}:index", READER, since=since),
        _row("GET", f"{path}/detail", transfers.list_detail, f"{name}:detail", READER, since=since),
        _row("POST", path, transfers.create, f"{name}:create", MEMBER, since=since),
        _row("GET", one, transfers.show, f"{name}:show", READER, since=since),
        _row("DELETE", one, transfers.delete, f"{name}:delete", MEMBER, since=since),
        _row("POST", f"{one}/accept", transfers.accept, f"{name}:accept", MEMBER, since=since),
    )


TRANSFERS = (*_transfers("/os-volume-transfer", None), *_transfers("/volume-transfers", "3.55"))
MESSAGES = (
    _row("GET", "/messages", messages.list_all, "messages:index", READER, since="3.3"),
    _row("GET", "/messages/<message_id>", messages.show, "messages:show", READER, since="3.3"),
    _row("DELETE", "/messages/<message_id>", messages.delete, "messages:delete", MEMBER, since="3.3"),
)
QUOTA = (
    _row("GET", "/limits", quota_sets.limits, "limits:index", READER),
    _row("GET", "/os-quota-sets/<project_id>", quota_sets.show, "quota-sets:show", READER),
    _row("GET", "/os-quota-sets/<project_id>/defaults", quota_sets.default_set, "quota-sets:defaults", READER),
    _row("PUT", "/os-quota-sets/<project_id>", quota_sets.update, "quota-sets:update", ADMIN),
    _row("DELETE", "/os-quota-sets/<project_id>", quota_sets.delete, "quota-sets:delete", ADMIN),
    _row("GET", "/os-quota-class-sets/<class_name>", quota_sets.show_class, "quota-class-sets:show", ADMIN),
    _row("PUT", "/os-quota-class-sets/<class_name>", quota_sets.update_class, "quota-class-sets:update", ADMIN),
)
SERVICES = (
    _row("GET", "/os-services", services.list_services, "services:index", ADMIN),
    _row("PUT", "/os-services/enable", services.enable, "services:enable", ADMIN),
    _row("PUT", "/os-services/disable", services.disable, "services:disable", ADMIN),
    _row("PUT", "/os-services/disable-log-reason", services.disable_with_reason, "services:disable_log_reason", ADMIN),
    _row("PUT", "/os-services/freeze", services.freeze, "services:freeze", ADMIN),
    _row("PUT", "/os-services/thaw", services.thaw, "services:thaw", ADMIN),
    _row("GET", "/os-hosts", services.list_hosts, "hosts:index", ADMIN),
    _row("GET", "/os-hosts/<host>", services.show_host, "hosts:show", ADMIN),
    _row("GET", "/scheduler-stats/get_pools", services.list_pools, "scheduler-stats:get_pools", ADMIN),
    _row("GET", "/capabilities/<host>", services.show_capabilities, "capabilities:show", ADMIN),
    _row("GET", "/os-availability-zone", services.list_zones, "availability-zones:index", READER),
    _row("GET", "/extensions", extensions.list_all, "extensions:index", READER),
    _row("GET", "/extensions/<alias>", extensions.show, "extensions:show", READER),
    _row("GET", "/resource_filters", extensions.list_filters, "resource-filters:index", READER, since="3.33"),
)
