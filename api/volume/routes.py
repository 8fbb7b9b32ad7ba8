"""The block storage API's table of contents, one row each. Microversions 3.0 to 3.71, as Cinder numbers them.

Paths are found with the caller's project in them, as older clients ask, and without, as newer ones may (3.67).
"""

from __future__ import annotations

from api.errors import volume_form
from api.microversion import Microversion, VersionRange
from api.policy import Rule
from api.routing import Api, Handler, Route
from api.volume.handlers import attachments, metadata, snapshots, versions, volume_actions, volumes
from api.volume.routes_backups import BACKUPS
from api.volume.routes_manageable import MANAGEABLE
from api.volume.routes_records import GROUPS, MESSAGES, QUOTA, SERVICES, TRANSFERS
from api.volume.routes_types import GROUP_TYPES, QOS, TYPES
from api.volume.views.versions import HIGHEST, LOWEST

ADMIN = Rule.ADMIN
_VOLUME = "/volumes/<volume_id>"
_SNAPSHOT = "/snapshots/<snapshot_id>"
_ATTACHMENT = "/attachments/<attachment_id>"


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule = Rule.MEMBER, *, action: str | None = None,
         since: str | None = None, until: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, until, rule, handler, f"volume:{key}")


def _read(path: str, handler: Handler, key: str, rule: Rule = Rule.READER, *, since: str | None = None) -> Route:
    return _row("GET", path, handler, key, rule, since=since)


def _action(name: str, handler: Handler, rule: Rule = Rule.MEMBER, *, since: str | None = None) -> Route:
    return _row("POST", f"{_VOLUME}/action", handler, f"volumes:{name}", rule, action=name, since=since)


def _of_attachment(
    method: str, path: str, handler: Handler, key: str, rule: Rule = Rule.MEMBER, *, action: str | None = None,
    since: str = "3.27",
) -> Route:  # fmt: skip
    return _row(method, path, handler, f"attachments:{key}", rule, action=action, since=since)


VOLUMES = (
    _read("/volumes", volumes.list_summary, "volumes:index"),
    _read("/volumes/detail", volumes.list_detail, "volumes:detail"),
    _read("/volumes/summary", volumes.summary, "volumes:summary", since="3.12"),
    _row("POST", "/volumes", volumes.create, "volumes:create"),
    _read(_VOLUME, volumes.show, "volumes:show"),
    _row("PUT", _VOLUME, volumes.update, "volumes:update"),
    _row("DELETE", _VOLUME, volumes.delete, "volumes:delete"),
    _read(f"{_VOLUME}/metadata", metadata.show_all, "volume-metadata:index"),
    _row("POST", f"{_VOLUME}/metadata", metadata.merge, "volume-metadata:create"),
    _row("PUT", f"{_VOLUME}/metadata", metadata.replace, "volume-metadata:update_all"),
    _read(f"{_VOLUME}/metadata/<key>", metadata.show, "volume-metadata:show"),
    _row("PUT", f"{_VOLUME}/metadata/<key>", metadata.put, "volume-metadata:update"),
    _row("DELETE", f"{_VOLUME}/metadata/<key>", metadata.delete, "volume-metadata:delete"),
)
ACTIONS = (
    _action("os-extend", volume_actions.extend),
    _action("revert", volume_actions.revert, since="3.40"),
    _action("os-retype", volume_actions.retype),
    _action("os-migrate_volume", volume_actions.migrate, ADMIN),
    _action("os-migrate_volume_completion", volume_actions.complete_migration, ADMIN),
    _action("os-force_delete", volume_actions.force_delete, ADMIN),
    _action("os-reset_status", volume_actions.reset_status, ADMIN),
    _action("os-set_bootable", volume_actions.set_bootable),
    _action("os-update_readonly_flag", volume_actions.set_read_only),
    _action("os-set_image_metadata", volume_actions.set_image_metadata),
    _action("os-unset_image_metadata", volume_actions.unset_image_metadata),
    _action("os-show_image_metadata", volume_actions.show_image_metadata, Rule.READER),
    _action("os-volume_upload_image", volume_actions.upload_image),
    _action("os-attach", volume_actions.attach),
    _action("os-detach", volume_actions.detach),
    _action("os-force_detach", volume_actions.force_detach, ADMIN),
    _action("os-reserve", volume_actions.reserve),
    _action("os-unreserve", volume_actions.unreserve),
    _action("os-begin_detaching", volume_actions.begin_detaching),
    _action("os-roll_detaching", volume_actions.roll_detaching),
    _action("os-initialize_connection", volume_actions.connect),
    _action("os-terminate_connection", volume_actions.disconnect),
)
SNAPSHOTS = (
    _read("/snapshots", snapshots.list_summary, "snapshots:index"),
    _read("/snapshots/detail", snapshots.list_detail, "snapshots:detail"),
    _row("POST", "/snapshots", snapshots.create, "snapshots:create"),
    _read(_SNAPSHOT, snapshots.show, "snapshots:show"),
    _row("PUT", _SNAPSHOT, snapshots.update, "snapshots:update"),
    _row("DELETE", _SNAPSHOT, snapshots.delete, "snapshots:delete"),
    _read(f"{_SNAPSHOT}/metadata", snapshots.show_metadata, "snapshot-metadata:index"),
    _row("POST", f"{_SNAPSHOT}/metadata", snapshots.merge_metadata, "snapshot-metadata:create"),
    _row("PUT", f"{_SNAPSHOT}/metadata", snapshots.replace_metadata, "snapshot-metadata:update_all"),
    _read(f"{_SNAPSHOT}/metadata/<key>", snapshots.show_item, "snapshot-metadata:show"),
    _row("PUT", f"{_SNAPSHOT}/metadata/<key>", snapshots.put_item, "snapshot-metadata:update"),
    _row("DELETE", f"{_SNAPSHOT}/metadata/<key>", snapshots.delete_item, "snapshot-metadata:delete"),
    _row(
        "POST", f"{_SNAPSHOT}/action", snapshots.reset_status, "snapshots:os-reset_status", ADMIN,
        action="os-reset_status",
    ),
    _row(
        "POST", f"{_SNAPSHOT}/action", snapshots.force_delete, "snapshots:os-force_delete", ADMIN,
        action="os-force_delete",
    ),
    _row(
        "POST", f"{_SNAPSHOT}/action", snapshots.update_status, "snapshots:os-update_snapshot_status", Rule.MEMBER,
        action="os-update_snapshot_status",
    ),
)  # fmt: skip
ATTACHMENTS = (
    _of_attachment("GET", "/attachments", attachments.list_summary, "index", Rule.READER),
    _of_attachment("GET", "/attachments/detail", attachments.list_detail, "detail", Rule.READER),
    _of_attachment("POST", "/attachments", attachments.create, "create"),
    _of_attachment("GET", _ATTACHMENT, attachments.show, "show", Rule.READER),
    _of_attachment("PUT", _ATTACHMENT, attachments.update, "update"),
    _of_attachment("DELETE", _ATTACHMENT, attachments.delete, "delete"),
    _of_attachment(
        "POST", f"{_ATTACHMENT}/action", attachments.complete, "os-complete", action="os-complete", since="3.44"
    ),
)
VERSIONS = (
    _read("", versions.choose_version, "versions:choose", Rule.PUBLIC),
    _read("/v3", versions.show_version, "versions:show", Rule.PUBLIC),
)

REQUEST_ID_HEADERS = ("x-openstack-request-id", "x-compute-request-id")
MICROVERSIONS = VersionRange("volume", Microversion.parse(LOWEST), Microversion.parse(HIGHEST))
APIS = [
    Api("volume-versions", "/volume", VERSIONS, volume_form, request_id_headers=REQUEST_ID_HEADERS),
    Api(
        "volume",
        "/volume/v3",
        (
            *VOLUMES,
            *ACTIONS,
            *MANAGEABLE,
            *SNAPSHOTS,
            *ATTACHMENTS,
            *BACKUPS,
            *TYPES,
            *QOS,
            *GROUP_TYPES,
            *GROUPS,
            *TRANSFERS,
            *MESSAGES,
            *QUOTA,
            *SERVICES,
        ),
        volume_form,
        versions=MICROVERSIONS,
        request_id_headers=REQUEST_ID_HEADERS,
        project_prefix="/volume/v3/<caller_project_id>",
        exact=True,
    ),
]
