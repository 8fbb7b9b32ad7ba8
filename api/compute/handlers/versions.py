"""Version documents and the list of extensions, which is fixed since Nova gave extensions up."""

from __future__ import annotations

from api.compute.views import versions
from api.compute.views.fields import Body
from api.request import ApiRequest, Reply
from common.errors import NotFound

_ALIASES = {
    "OS-DCF": "DiskConfig", "OS-EXT-AZ": "ExtendedAvailabilityZone", "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-IPS-MAC": "ExtendedIpsMac", "OS-EXT-SRV-ATTR": "ExtendedServerAttributes", "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled", "OS-FLV-EXT-DATA": "FlavorExtraData", "OS-SCH-HNT": "SchedulerHints",
    "OS-SRV-USG": "ServerUsage", "os-admin-actions": "AdminActions", "os-admin-password": "AdminPassword",
    "os-aggregates": "Aggregates", "os-attach-interfaces": "AttachInterfaces",
    "os-availability-zone": "AvailabilityZone", "os-config-drive": "ConfigDrive",
    "os-console-auth-tokens": "ConsoleAuthTokens", "os-console-output": "ConsoleOutput", "os-consoles": "Consoles",
    "os-create-backup": "CreateBackup", "os-deferred-delete": "DeferredDelete",
    "os-extended-volumes": "ExtendedVolumes", "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs", "os-flavor-manage": "FlavorManage", "os-hosts": "Hosts",
    "os-hypervisors": "Hypervisors", "os-instance-actions": "InstanceActions",
    "os-instance_usage_audit_log": "OSInstanceUsageAuditLog", "os-keypairs": "Keypairs", "os-lock-server": "LockServer",
    "os-migrate-server": "MigrateServer", "os-migrations": "Migrations", "os-multinic": "Multinic",
    "os-multiple-create": "MultipleCreate", "os-networks": "Networks", "os-pause-server": "PauseServer",
    "os-preserve-ephemeral-rebuild": "PreserveEphemeralOnRebuild", "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas", "os-rescue": "Rescue", "os-security-groups": "SecurityGroups",
    "os-server-diagnostics": "ServerDiagnostics", "os-server-external-events": "ServerExternalEvents",
    "os-server-groups": "ServerGroups", "os-server-password": "ServerPassword", "os-services": "Services",
    "os-shelve": "Shelve", "os-simple-tenant-usage": "SimpleTenantUsage", "os-suspend-server": "SuspendServer",
    "os-tenant-networks": "OSTenantNetworks", "os-used-limits": "UsedLimits", "os-user-data": "UserData",
}  # fmt: skip


def list_versions(request: ApiRequest) -> Reply:
    url = request.base_url
    return Reply({"versions": [versions.old_version(url, alone=False), versions.version(url, alone=False)]})


def show_version(request: ApiRequest) -> Reply:
    return Reply({"version": versions.version(request.base_url, alone=True)})


def show_old_version(request: ApiRequest) -> Reply:
    return Reply({"version": versions.old_version(request.base_url, alone=True)})


def list_extensions(_: ApiRequest) -> Reply:
    return Reply({"extensions": [_extension(alias) for alias in _ALIASES]})


def show_extension(_: ApiRequest, alias: str) -> Reply:
    if alias not in _ALIASES:
        raise NotFound(f"Extension {alias[:80]} could not be found.")
    return Reply({"extension": _extension(alias)})


def _extension(alias: str) -> Body:
    return {
        "alias": alias, "name": _ALIASES[alias], "description": f"{_ALIASES[alias]}, part of the API.", "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z",
    }  # fmt: skip
