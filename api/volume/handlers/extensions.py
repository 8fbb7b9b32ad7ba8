"""/extensions and /resource_filters: what this service can do, as data."""

from __future__ import annotations

from typing import Any

from api.request import ApiRequest, Reply
from api.volume import query
from common.errors import NotFound

#: alias, name, description; what isn't here isn't offered
_EXTENSIONS = (
    ("OS-SCH-HNT", "SchedulerHints", "Pass arbitrary key/value pairs to the scheduler."),
    ("capabilities", "Capabilities", "Capabilities support."),
    ("encryption", "VolumeTypeEncryption", "Encryption support for volume types: kept, never carried out."),
    ("os-admin-actions", "AdminActions", "Enable admin actions."),
    ("os-availability-zone", "AvailabilityZones", "Describe Availability Zones."),
    ("os-extended-services", "ExtendedServices", "Extended services support."),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "Extended SnapshotAttributes support."),
    ("os-hosts", "Hosts", "Admin-only host administration."),
    ("os-quota-class-sets", "QuotaClasses", "Quota classes management support."),
    ("os-quota-sets", "Quotas", "Quota management support."),
    ("os-services", "Services", "Services support."),
    ("os-types-extra-specs", "TypesExtraSpecs", "Type extra specs support."),
    ("os-types-manage", "TypesManage", "Types manage support."),
    ("os-used-limits", "UsedLimits", "Provide data on limited resources that are being used."),
    ("os-vol-host-attr", "VolumeHostAttribute", "Expose host as an attribute of a volume."),
    ("os-vol-image-meta", "VolumeImageMetadata", "Show image metadata associated with the volume."),
    ("os-vol-mig-status-attr", "VolumeMigStatusAttribute", "Expose migration_status as an attribute of a volume."),
    ("os-vol-tenant-attr", "VolumeTenantAttribute", "Expose the internal project_id as an attribute of a volume."),
    ("os-volume-actions", "VolumeActions", "Enable volume actions."),
    ("os-volume-transfer", "VolumeTransfer", "Volume transfer management support."),
    ("os-volume-type-access", "VolumeTypeAccess", "Volume type access support."),
    ("qos-specs", "Qos_specs_manage", "QoS specs support."),
    ("scheduler-stats", "Scheduler_stats", "Scheduler stats support."),
)
UPDATED = "2026-01-01T00:00:00+00:00"
#: what the lists may be narrowed by, by resource (3.33)
FILTERS = {
    "volume": [
        "name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size",
        "created_at", "updated_at",
    ],
    "snapshot": ["name", "status", "volume_id", "metadata", "availability_zone"],
    "group": ["name", "status"],
    "group_snapshot": ["name", "status", "group_id"],
    "attachment": ["volume_id", "status", "instance_id", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    "pool": ["name"],
    "volume_type": ["is_public", "extra_specs"],
}  # fmt: skip


def list_all(_request: ApiRequest) -> Reply:
    return Reply({"extensions": [_extension(*row) for row in _EXTENSIONS]})


def show(_request: ApiRequest, alias: str) -> Reply:
    for row in _EXTENSIONS:
        if row[0] == alias:
            return Reply({"extension": _extension(*row)})
    raise NotFound(f"There is no extension {alias[:80]!r}.")


def _extension(alias: str, name: str, description: str) -> dict[str, Any]:
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "namespace": "", "links": []}


def list_filters(request: ApiRequest) -> Reply:
    asked = query.text(request, "resource")
    found = {asked: FILTERS.get(asked, [])} if asked else FILTERS
    return Reply({"resource_filters": [{"resource": name, "filters": list(each)} for name, each in found.items()]})
