"""Routes of volume types, QoS specs, default types and group types."""

from __future__ import annotations

from api.policy import Rule
from api.routing import Handler, Route
from api.volume.handlers import group_types, qos_specs, volume_types

_TYPE = "/types/<type_id>"
_QOS = "/qos-specs/<qos_id>"
_GROUP_TYPE = "/group_types/<group_type_id>"
_SPECS, _SPEC = f"{_GROUP_TYPE}/group_specs", f"{_GROUP_TYPE}/group_specs/<key>"
ADMIN, READER = Rule.ADMIN, Rule.READER


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule = ADMIN, *, action: str | None = None,
         since: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, None, rule, handler, f"volume:{key}")


TYPES = (
    _row("GET", "/types", volume_types.list_all, "types:index", READER),
    _row("POST", "/types", volume_types.create, "types:create"),
    _row("GET", "/types/default", volume_types.show_default, "types:default", READER),
    _row("GET", _TYPE, volume_types.show, "types:show", READER),
    _row("PUT", _TYPE, volume_types.update, "types:update"),
    _row("DELETE", _TYPE, volume_types.delete, "types:delete"),
    _row("POST", f"{_TYPE}/action", volume_types.add_access, "type-access:add", action="addProjectAccess"),
    _row("POST", f"{_TYPE}/action", volume_types.remove_access, "type-access:remove", action="removeProjectAccess"),
    _row("GET", f"{_TYPE}/os-volume-type-access", volume_types.list_access, "type-access:list"),
    _row("GET", f"{_TYPE}/extra_specs", volume_types.list_specs, "type-extra-specs:index", READER),
    _row("POST", f"{_TYPE}/extra_specs", volume_types.add_specs, "type-extra-specs:create"),
    _row("GET", f"{_TYPE}/extra_specs/<key>", volume_types.show_spec, "type-extra-specs:show", READER),
    _row("PUT", f"{_TYPE}/extra_specs/<key>", volume_types.put_spec, "type-extra-specs:update"),
    _row("DELETE", f"{_TYPE}/extra_specs/<key>", volume_types.delete_spec, "type-extra-specs:delete"),
    _row("GET", f"{_TYPE}/encryption", volume_types.show_encryption, "type-encryption:show"),
    _row("POST", f"{_TYPE}/encryption", volume_types.set_encryption, "type-encryption:create"),
    _row("GET", f"{_TYPE}/encryption/<encryption_id>", volume_types.show_encryption_item, "type-encryption:show_item"),
    _row("PUT", f"{_TYPE}/encryption/<encryption_id>", volume_types.change_encryption, "type-encryption:update"),
    _row("DELETE", f"{_TYPE}/encryption/<encryption_id>", volume_types.drop_encryption, "type-encryption:delete"),
    _row("GET", "/default-types", volume_types.list_defaults, "default-types:index", since="3.62"),
    _row("GET", "/default-types/<project_id>", volume_types.show_project_default, "default-types:show", since="3.62"),
    _row("PUT", "/default-types/<project_id>", volume_types.set_project_default, "default-types:set", since="3.62"),
    _row(
        "DELETE", "/default-types/<project_id>", volume_types.unset_project_default, "default-types:unset", since="3.62"
    ),
)
QOS = (
    _row("GET", "/qos-specs", qos_specs.list_all, "qos-specs:index"),
    _row("POST", "/qos-specs", qos_specs.create, "qos-specs:create"),
    _row("GET", _QOS, qos_specs.show, "qos-specs:show"),
    _row("PUT", _QOS, qos_specs.set_keys, "qos-specs:set_keys"),
    _row("DELETE", _QOS, qos_specs.delete, "qos-specs:delete"),
    _row("PUT", f"{_QOS}/delete_keys", qos_specs.unset_keys, "qos-specs:unset_keys"),
    _row("GET", f"{_QOS}/associations", qos_specs.list_associations, "qos-specs:associations"),
    _row("GET", f"{_QOS}/associate", qos_specs.associate, "qos-specs:associate"),
    _row("GET", f"{_QOS}/disassociate", qos_specs.disassociate, "qos-specs:disassociate"),
    _row("GET", f"{_QOS}/disassociate_all", qos_specs.disassociate_all, "qos-specs:disassociate_all"),
)
GROUP_TYPES = (
    _row("GET", "/group_types", group_types.list_all, "group-types:index", READER, since="3.11"),
    _row("POST", "/group_types", group_types.create, "group-types:create", since="3.11"),
    _row("GET", _GROUP_TYPE, group_types.show, "group-types:show", READER, since="3.11"),
    _row("PUT", _GROUP_TYPE, group_types.update, "group-types:update", since="3.11"),
    _row("DELETE", _GROUP_TYPE, group_types.delete, "group-types:delete", since="3.11"),
    _row("GET", _SPECS, group_types.list_specs, "group-type-specs:index", since="3.11"),
    _row("POST", _SPECS, group_types.add_specs, "group-type-specs:create", since="3.11"),
    _row("GET", _SPEC, group_types.show_spec, "group-type-specs:show", since="3.11"),
    _row("PUT", _SPEC, group_types.put_spec, "group-type-specs:update", since="3.11"),
    _row("DELETE", _SPEC, group_types.delete_spec, "group-type-specs:delete", since="3.11"),
)
