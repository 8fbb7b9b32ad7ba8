"""Quota sets, quota classes and absolute limits, by what each microversion still counts."""

from __future__ import annotations

from dataclasses import dataclass

from api.compute.operations.injected_files import MOST_CONTENT_BYTES, MOST_FILES, MOST_PATH_BYTES
from api.compute.operations.quota_sets import Quota
from api.compute.views.fields import Body
from api.microversion import Microversion


@dataclass(frozen=True)
class Resource:
    """until: the last microversion that shows it. fixed: its limit where nothing is counted any more."""

    name: str
    until: str | None = None
    fixed: int | None = None
    in_class_since: str | None = None
    in_class_until: str | None = None

    def shown_at(self, version: Microversion) -> bool:
        return self.until is None or version <= Microversion.parse(self.until)

    def settable_in_class_at(self, version: Microversion) -> bool:
        """Some were counted and could be set long before they were shown."""
        until = self.in_class_until or self.until
        return until is None or version <= Microversion.parse(until)

    def shown_in_class_at(self, version: Microversion) -> bool:
        if self.in_class_since is not None and version < Microversion.parse(self.in_class_since):
            return False
        return self.settable_in_class_at(version)


RESOURCES = (
    Resource("instances"),
    Resource("cores"),
    Resource("ram"),
    Resource("metadata_items"),
    Resource("key_pairs"),
    Resource("server_groups", in_class_since="2.50"),
    Resource("server_group_members", in_class_since="2.50"),
    Resource("floating_ips", until="2.35", fixed=-1, in_class_until="2.49"),
    Resource("fixed_ips", until="2.35", fixed=-1, in_class_until="2.49"),
    Resource("security_groups", until="2.35", in_class_until="2.49"),
    Resource("security_group_rules", until="2.35", in_class_until="2.49"),
    Resource("injected_files", until="2.56", fixed=MOST_FILES),
    Resource("injected_file_content_bytes", until="2.56", fixed=MOST_CONTENT_BYTES),
    Resource("injected_file_path_bytes", until="2.56", fixed=MOST_PATH_BYTES),
)
#: (name in /limits, resource, last microversion)
_LIMITS = (
    ("maxTotalInstances", "instances", None),
    ("maxTotalCores", "cores", None),
    ("maxTotalRAMSize", "ram", None),
    ("maxTotalKeypairs", "key_pairs", None),
    ("maxServerMeta", "metadata_items", None),
    ("maxImageMeta", "metadata_items", "2.38"),
    ("maxServerGroups", "server_groups", None),
    ("maxServerGroupMembers", "server_group_members", None),
    ("maxTotalFloatingIps", "floating_ips", "2.35"),
    ("maxSecurityGroups", "security_groups", "2.35"),
    ("maxSecurityGroupRules", "security_group_rules", "2.35"),
    ("maxPersonality", "injected_files", "2.56"),
    ("maxPersonalitySize", "injected_file_content_bytes", "2.56"),
)
_USED = (
    ("totalInstancesUsed", "instances", None),
    ("totalCoresUsed", "cores", None),
    ("totalRAMUsed", "ram", None),
    ("totalServerGroupsUsed", "server_groups", None),
    ("totalFloatingIpsUsed", "floating_ips", "2.35"),
    ("totalSecurityGroupsUsed", "security_groups", "2.35"),
)
_FIXED = {resource.name: resource.fixed for resource in RESOURCES if resource.fixed is not None}


def plain(quota: Quota, version: Microversion, *, with_id: bool = True) -> Body:
    shown: Body = {row.name: _limit(quota, row.name) for row in RESOURCES if row.shown_at(version)}
    return {"id": quota.project_id, **shown} if with_id else shown


def detail(quota: Quota, version: Microversion) -> Body:
    shown: Body = {
        row.name: {"limit": _limit(quota, row.name), "in_use": quota.in_use.get(row.name, 0), "reserved": 0}
        for row in RESOURCES
        if row.shown_at(version)
    }
    return {"id": quota.project_id, **shown}


def quota_class(quota: Quota, version: Microversion, *, with_id: bool = True) -> Body:
    shown: Body = {row.name: _limit(quota, row.name) for row in RESOURCES if row.shown_in_class_at(version)}
    return {"id": quota.project_id, **shown} if with_id else shown


def absolute(quota: Quota, version: Microversion) -> Body:
    """GET /limits; rate limits there are none."""
    limits = {name: _limit(quota, row) for name, row, until in _LIMITS if _fits(until, version)}
    used = {name: quota.in_use.get(row, 0) for name, row, until in _USED if _fits(until, version)}
    return {"limits": {"rate": [], "absolute": {**limits, **used}}}


def _limit(quota: Quota, name: str) -> int:
    fixed = _FIXED.get(name)
    return quota.limits[name] if fixed is None else fixed


def _fits(until: str | None, version: Microversion) -> bool:
    return until is None or version <= Microversion.parse(until)
