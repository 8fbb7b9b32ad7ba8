"""The compute API's table of contents, one row each. Microversions 2.1 to 2.104, as Nova numbers them."""

from __future__ import annotations

from api.compute.handlers import (
    aggregates,
    assisted_snapshots,
    consoles,
    external_events,
    flavors,
    floating_ip_proxies,
    hosts,
    images,
    instance_actions,
    interfaces,
    keypairs,
    migrations,
    network_proxies,
    old_hosts,
    quota_sets,
    server_actions,
    server_addresses,
    server_create,
    server_groups,
    server_images,
    server_metadata,
    server_rebuild,
    server_rescue,
    server_resize,
    server_shelf,
    servers,
    usages,
    versions,
    volume_attachments,
    volume_proxies,
)
from api.compute.known_queries import strict
from api.compute.views.versions import HIGHEST, LOWEST
from api.errors import compute_form
from api.microversion import Microversion, VersionRange
from api.policy import Rule
from api.routing import Api, Handler, Route

_SERVER = "/servers/<server_id>"
_ATTACHED = f"{_SERVER}/os-volume_attachments/<volume_id>"
_FLAVOR = "/flavors/<flavor_id>"
_IMAGE_META = "/images/<image_id>/metadata"
_AGGREGATE = "/os-aggregates/<aggregate_id>"


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule = Rule.MEMBER, *, action: str | None = None,
         since: str | None = None, until: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, until, rule, strict(handler, key), f"compute:{key}")


def _read(path: str, handler: Handler, key: str, rule: Rule = Rule.READER, *, since: str | None = None,
          until: str | None = None) -> Route:  # fmt: skip
    return _row("GET", path, handler, key, rule, since=since, until=until)


def _action(name: str, handler: Handler, rule: Rule = Rule.MEMBER, *, since: str | None = None,
            until: str | None = None) -> Route:  # fmt: skip
    path = f"{_SERVER}/action"
    return _row("POST", path, handler, f"servers:{name}", rule, action=name, since=since, until=until)


def _on_aggregate(name: str, handler: Handler) -> Route:
    return _row("POST", f"{_AGGREGATE}/action", handler, f"aggregates:{name}", ADMIN, action=name)


ADMIN = Rule.ADMIN

SERVERS = (
    _read("/servers", servers.list_summary, "servers:index"),
    _read("/servers/detail", servers.list_detail, "servers:detail"),
    _row("POST", "/servers", server_create.create, "servers:create"),
    _read(_SERVER, servers.show, "servers:show"),
    _row("PUT", _SERVER, servers.update, "servers:update"),
    _row("DELETE", _SERVER, servers.delete, "servers:delete"),
    _action("os-start", server_actions.start),
    _action("os-stop", server_actions.stop),
    _action("reboot", server_actions.reboot),
    _action("pause", server_actions.pause),
    _action("unpause", server_actions.unpause),
    _action("suspend", server_actions.suspend),
    _action("resume", server_actions.resume),
    _action("rebuild", server_rebuild.rebuild),
    _action("createImage", server_images.create_image),
    _action("createBackup", server_images.create_backup),
    _action("resize", server_resize.resize),
    _action("confirmResize", server_resize.confirm),
    _action("revertResize", server_resize.revert),
    _action("migrate", server_resize.migrate, Rule.MANAGER),
    _action("os-migrateLive", server_resize.migrate_live, Rule.MANAGER),
    _action("evacuate", server_resize.evacuate, ADMIN),
    _action("rescue", server_rescue.rescue),
    _action("unrescue", server_rescue.unrescue),
    _action("changePassword", server_actions.change_password),
    _action("trigger_crash_dump", server_actions.trigger_crash_dump, since="2.17"),
    _action("addFixedIp", server_addresses.add_fixed, until="2.43"),
    _action("removeFixedIp", server_addresses.remove_fixed, until="2.43"),
    _action("addFloatingIp", server_addresses.add_floating, until="2.43"),
    _action("removeFloatingIp", server_addresses.remove_floating, until="2.43"),
    _action("restore", server_actions.restore),
    _action("shelve", server_shelf.shelve),
    _action("shelveOffload", server_shelf.shelve_offload, ADMIN),
    _action("unshelve", server_shelf.unshelve),
    _action("forceDelete", server_actions.force_delete),
    _action("os-getConsoleOutput", server_actions.console_log),
    _action("os-getVNCConsole", consoles.vnc, until="2.5"),
    _action("os-getSPICEConsole", consoles.spice, until="2.5"),
    _action("os-getRDPConsole", consoles.rdp, until="2.5"),
    _action("os-getSerialConsole", consoles.serial, until="2.5"),
    _row("POST", f"{_SERVER}/remote-consoles", consoles.create, "remote-consoles:create", since="2.6"),
    _action("lock", server_actions.lock),
    _action("unlock", server_actions.unlock),
    _action("os-resetState", server_actions.reset_state, ADMIN),
    _action("resetNetwork", server_actions.reset_network, ADMIN),
    _action("injectNetworkInfo", server_actions.inject_network_info, ADMIN),
    _action("addSecurityGroup", server_actions.add_security_group),
    _action("removeSecurityGroup", server_actions.remove_security_group),
    _read(f"{_SERVER}/diagnostics", server_actions.diagnostics, "servers:diagnostics", ADMIN),
    _read(f"{_SERVER}/os-security-groups", server_actions.list_security_groups, "servers:list_security_groups"),
    _read(f"{_SERVER}/metadata", server_metadata.show_all, "server-metadata:index"),
    _row("PUT", f"{_SERVER}/metadata", server_metadata.replace, "server-metadata:update_all"),
    _row("POST", f"{_SERVER}/metadata", server_metadata.merge, "server-metadata:create"),
    _read(f"{_SERVER}/metadata/<key>", server_metadata.show, "server-metadata:show"),
    _row("PUT", f"{_SERVER}/metadata/<key>", server_metadata.put, "server-metadata:update"),
    _row("DELETE", f"{_SERVER}/metadata/<key>", server_metadata.delete, "server-metadata:delete"),
    _read(f"{_SERVER}/tags", server_metadata.show_tags, "server-tags:index", since="2.26"),
    _row("PUT", f"{_SERVER}/tags", server_metadata.replace_tags, "server-tags:update_all", since="2.26"),
    _row("DELETE", f"{_SERVER}/tags", server_metadata.delete_tags, "server-tags:delete_all", since="2.26"),
    _read(f"{_SERVER}/tags/<tag>", server_metadata.show_tag, "server-tags:show", since="2.26"),
    _row("PUT", f"{_SERVER}/tags/<tag>", server_metadata.put_tag, "server-tags:update", since="2.26"),
    _row("DELETE", f"{_SERVER}/tags/<tag>", server_metadata.delete_tag, "server-tags:delete", since="2.26"),
    _read(f"{_SERVER}/ips", interfaces.ips, "ips:index"),
    _read(f"{_SERVER}/ips/<label>", interfaces.ips_of_network, "ips:show"),
    _read(f"{_SERVER}/os-interface", interfaces.list_ports, "attach-interfaces:list"),
    _read(f"{_SERVER}/os-interface/<port_id>", interfaces.show_port, "attach-interfaces:show"),
    _row("POST", f"{_SERVER}/os-interface", interfaces.attach, "attach-interfaces:create"),
    _row("DELETE", f"{_SERVER}/os-interface/<port_id>", interfaces.detach, "attach-interfaces:delete"),
    _read(f"{_SERVER}/topology", interfaces.topology, "server-topology:index", since="2.78"),
    _read(f"{_SERVER}/os-server-password", interfaces.show_password, "server-password:show"),
    _row("DELETE", f"{_SERVER}/os-server-password", interfaces.clear_password, "server-password:clear"),
    _read(f"{_SERVER}/migrations", migrations.list_of_server, "servers-migrations:index", Rule.MANAGER, since="2.23"),
    _read(
        f"{_SERVER}/migrations/<migration_id>",
        migrations.show_of_server,
        "servers-migrations:show",
        ADMIN,
        since="2.23",
    ),
    _read(f"{_SERVER}/os-volume_attachments", volume_attachments.list_all, "volumes-attachments:index"),
    _row("POST", f"{_SERVER}/os-volume_attachments", volume_attachments.attach, "volumes-attachments:create"),
    _read(_ATTACHED, volume_attachments.show, "volumes-attachments:show"),
    _row("PUT", _ATTACHED, volume_attachments.update, "volumes-attachments:update"),
    _row("DELETE", _ATTACHED, volume_attachments.detach, "volumes-attachments:delete"),
    _read(f"{_SERVER}/os-instance-actions", instance_actions.list_all, "instance-actions:list"),
    _read(f"{_SERVER}/os-instance-actions/<request_id>", instance_actions.show, "instance-actions:show"),
)
FLAVORS = (
    _read("/flavors", flavors.list_summary, "flavors:index"),
    _read("/flavors/detail", flavors.list_detail, "flavors:detail"),
    _row("POST", "/flavors", flavors.create, "flavors:create", ADMIN),
    _read(_FLAVOR, flavors.show, "flavors:show"),
    _row("PUT", _FLAVOR, flavors.update, "flavors:update", ADMIN, since="2.55"),
    _row("DELETE", _FLAVOR, flavors.delete, "flavors:delete", ADMIN),
    _read(f"{_FLAVOR}/os-extra_specs", flavors.list_specs, "flavor-extra-specs:index"),
    _row("POST", f"{_FLAVOR}/os-extra_specs", flavors.add_specs, "flavor-extra-specs:create", ADMIN),
    _read(f"{_FLAVOR}/os-extra_specs/<key>", flavors.show_spec, "flavor-extra-specs:show"),
    _row("PUT", f"{_FLAVOR}/os-extra_specs/<key>", flavors.put_spec, "flavor-extra-specs:update", ADMIN),
    _row("DELETE", f"{_FLAVOR}/os-extra_specs/<key>", flavors.delete_spec, "flavor-extra-specs:delete", ADMIN),
    _read(f"{_FLAVOR}/os-flavor-access", flavors.list_access, "flavor-access:list", ADMIN),
    _row("POST", f"{_FLAVOR}/action", flavors.add_access, "flavor-access:add", ADMIN, action="addTenantAccess"),
    _row(
        "POST", f"{_FLAVOR}/action", flavors.remove_access, "flavor-access:remove", ADMIN, action="removeTenantAccess"
    ),
)
KEYPAIRS = (  # they are the user's own, so whoever may read may have some
    _read("/os-keypairs", keypairs.list_all, "keypairs:index"),
    _row("POST", "/os-keypairs", keypairs.create, "keypairs:create", Rule.READER),
    _read("/os-keypairs/<name>", keypairs.show, "keypairs:show"),
    _row("DELETE", "/os-keypairs/<name>", keypairs.delete, "keypairs:delete", Rule.READER),
)
HOSTS = (
    _read("/os-services", hosts.list_services, "services:list", ADMIN),
    _row("PUT", "/os-services/<service_id>", hosts.update_service, "services:update", ADMIN),
    _row("DELETE", "/os-services/<service_id>", hosts.delete_service, "services:delete", ADMIN),
    _read("/os-hypervisors", hosts.list_hypervisors, "hypervisors:list", ADMIN),
    _read("/os-hypervisors/detail", hosts.list_hypervisors_detail, "hypervisors:list-detail", ADMIN),
    _read("/os-hypervisors/statistics", hosts.hypervisor_statistics, "hypervisors:statistics", ADMIN, until="2.87"),
    _read("/os-hypervisors/<hypervisor_id>", hosts.show_hypervisor, "hypervisors:show", ADMIN),
    _read("/os-hypervisors/<hypervisor_id>/uptime", hosts.hypervisor_uptime, "hypervisors:uptime", ADMIN, until="2.87"),
    _read("/os-hypervisors/<name>/search", hosts.search_hypervisors, "hypervisors:search", ADMIN, until="2.52"),
    _read("/os-hypervisors/<name>/servers", hosts.servers_of_hypervisors, "hypervisors:servers", ADMIN, until="2.52"),
    _read("/os-availability-zone", hosts.list_zones, "availability-zone:list"),
    _read("/os-availability-zone/detail", hosts.list_zones_detail, "availability-zone:detail", ADMIN),
)
OLD_HOSTS = (
    _read("/os-hosts", old_hosts.list_hosts, "hosts:list", ADMIN, until="2.42"),
    _read("/os-hosts/<host>", old_hosts.show_host, "hosts:show", ADMIN, until="2.42"),
    _row("PUT", "/os-hosts/<host>", old_hosts.update_host, "hosts:update", ADMIN, until="2.42"),
    *(
        _read(f"/os-hosts/<host>/{verb}", old_hosts.power_host, f"hosts:{verb}", ADMIN, until="2.42")
        for verb in ("startup", "shutdown", "reboot")
    ),
    _read("/os-instance_usage_audit_log", old_hosts.list_audit_logs, "instance-usage-audit-log:list", ADMIN),
    _read("/os-instance_usage_audit_log/<before>", old_hosts.show_audit_log, "instance-usage-audit-log:show", ADMIN),
    _read("/os-migrations", migrations.list_all, "migrations:index", Rule.MANAGER),
    _row("POST", "/os-server-external-events", external_events.create, "server-external-events:create", Rule.SERVICE),
)
GROUPING = (
    _read("/os-aggregates", aggregates.list_all, "aggregates:index", ADMIN),
    _row("POST", "/os-aggregates", aggregates.create, "aggregates:create", ADMIN),
    _read(_AGGREGATE, aggregates.show, "aggregates:show", ADMIN),
    _row("PUT", _AGGREGATE, aggregates.update, "aggregates:update", ADMIN),
    _row("DELETE", _AGGREGATE, aggregates.delete, "aggregates:delete", ADMIN),
    _on_aggregate("add_host", aggregates.add_host),
    _on_aggregate("remove_host", aggregates.remove_host),
    _on_aggregate("set_metadata", aggregates.set_metadata),
    _row("POST", f"{_AGGREGATE}/images", aggregates.cache_images, "aggregates:images", ADMIN, since="2.81"),
    _read("/os-server-groups", server_groups.list_all, "server-groups:index"),
    _row("POST", "/os-server-groups", server_groups.create, "server-groups:create"),
    _read("/os-server-groups/<server_group_id>", server_groups.show, "server-groups:show"),
    _row("DELETE", "/os-server-groups/<server_group_id>", server_groups.delete, "server-groups:delete"),
)
QUOTAS = (
    _read("/limits", quota_sets.limits, "limits"),
    _read("/os-quota-sets/<project_id>", quota_sets.show, "quota-sets:show"),
    _read("/os-quota-sets/<project_id>/detail", quota_sets.detail, "quota-sets:detail"),
    _read("/os-quota-sets/<project_id>/defaults", quota_sets.default_set, "quota-sets:defaults"),
    _row("PUT", "/os-quota-sets/<project_id>", quota_sets.update, "quota-sets:update", ADMIN),
    _row("DELETE", "/os-quota-sets/<project_id>", quota_sets.delete, "quota-sets:delete", ADMIN),
    _row("PUT", "/os-quota-class-sets/<class_name>", quota_sets.update_class, "quota-class-sets:update", ADMIN),
    _read("/os-quota-class-sets/<class_name>", quota_sets.show_class, "quota-class-sets:show", ADMIN),
    _read("/os-simple-tenant-usage", usages.list_all, "simple-tenant-usage:list", ADMIN),
    _read("/os-simple-tenant-usage/<project_id>", usages.show, "simple-tenant-usage:show"),
)
IMAGES = (
    _read("/images", images.list_summary, "images:index", until="2.35"),
    _read("/images/detail", images.list_detail, "images:detail", until="2.35"),
    _read("/images/<image_id>", images.show, "images:show", until="2.35"),
    _row("DELETE", "/images/<image_id>", images.delete, "images:delete", until="2.35"),
    _read(f"{_IMAGE_META}", images.show_metadata, "image-metadata:index", until="2.38"),
    _row("PUT", _IMAGE_META, images.replace_metadata, "image-metadata:update_all", until="2.38"),
    _row("POST", _IMAGE_META, images.merge_metadata, "image-metadata:create", until="2.38"),
    _read(f"{_IMAGE_META}/<key>", images.show_item, "image-metadata:show", until="2.38"),
    _row("PUT", f"{_IMAGE_META}/<key>", images.put_item, "image-metadata:update", until="2.38"),
    _row("DELETE", f"{_IMAGE_META}/<key>", images.delete_item, "image-metadata:delete", until="2.38"),
)
_OLD_GROUP = "/os-security-groups/<group_id>"
NETWORK_PROXIES = (
    _read("/os-networks", network_proxies.list_networks, "networks:list", until="2.35"),
    _read("/os-networks/<network_id>", network_proxies.show_network, "networks:show", until="2.35"),
    _read("/os-tenant-networks", network_proxies.list_tenant_networks, "tenant-networks:list", until="2.35"),
    _read("/os-tenant-networks/<network_id>", network_proxies.show_tenant_network, "tenant-networks:show", until="2.35"),
    _read("/os-security-groups", network_proxies.list_groups, "security-groups:index", until="2.35"),
    _row("POST", "/os-security-groups", network_proxies.create_group, "security-groups:create", until="2.35"),
    _read(_OLD_GROUP, network_proxies.show_group, "security-groups:show", until="2.35"),
    _row("PUT", _OLD_GROUP, network_proxies.update_group, "security-groups:update", until="2.35"),
    _row("DELETE", _OLD_GROUP, network_proxies.delete_group, "security-groups:delete", until="2.35"),
    _row("POST", "/os-security-group-rules", network_proxies.create_rule, "security-group-rules:create", until="2.35"),
    _row(
        "DELETE", "/os-security-group-rules/<rule_id>", network_proxies.delete_rule, "security-group-rules:delete",
        until="2.35",
    ),
    _read("/os-floating-ip-pools", floating_ip_proxies.list_pools, "floating-ip-pools:list", until="2.35"),
    _read("/os-floating-ips", floating_ip_proxies.list_, "floating-ips:list", until="2.35"),
    _row("POST", "/os-floating-ips", floating_ip_proxies.create, "floating-ips:create", until="2.35"),
    _read("/os-floating-ips/<floatingip_id>", floating_ip_proxies.show, "floating-ips:show", until="2.35"),
    _row("DELETE", "/os-floating-ips/<floatingip_id>", floating_ip_proxies.delete, "floating-ips:delete", until="2.35"),
)  # fmt: skip
VOLUME_PROXIES = (
    _read("/os-volumes", volume_proxies.list_volumes, "volumes:list", until="2.35"),
    _read("/os-volumes/detail", volume_proxies.list_volumes, "volumes:detail", until="2.35"),
    _row("POST", "/os-volumes", volume_proxies.create_volume, "volumes:create", until="2.35"),
    _read("/os-volumes/<volume_id>", volume_proxies.show_volume, "volumes:show", until="2.35"),
    _row("DELETE", "/os-volumes/<volume_id>", volume_proxies.delete_volume, "volumes:delete", until="2.35"),
    _read("/os-snapshots", volume_proxies.list_snapshots, "snapshots:list", until="2.35"),
    _read("/os-snapshots/detail", volume_proxies.list_snapshots, "snapshots:detail", until="2.35"),
    _row("POST", "/os-snapshots", volume_proxies.create_snapshot, "snapshots:create", until="2.35"),
    _read("/os-snapshots/<snapshot_id>", volume_proxies.show_snapshot, "snapshots:show", until="2.35"),
    _row("DELETE", "/os-snapshots/<snapshot_id>", volume_proxies.delete_snapshot, "snapshots:delete", until="2.35"),
    _row(
        "POST",
        "/os-assisted-volume-snapshots",
        assisted_snapshots.create,
        "assisted-volume-snapshots:create",
        Rule.SERVICE,
    ),
    _row(
        "DELETE",
        "/os-assisted-volume-snapshots/<snapshot_id>",
        assisted_snapshots.delete,
        "assisted-volume-snapshots:delete",
        Rule.SERVICE,
    ),
)
CONSOLES = (
    _read("/os-console-auth-tokens/<token>", consoles.show_token, "console-auth-tokens:show", ADMIN, since="2.31"),
)
EXTENSIONS = (
    _read("/extensions", versions.list_extensions, "extensions:index"),
    _read("/extensions/<alias>", versions.show_extension, "extensions:show"),
)
VERSIONS = (
    _read("", versions.list_versions, "versions:index", Rule.PUBLIC),
    _read("/v2.1", versions.show_version, "versions:show", Rule.PUBLIC),
    _read("/v2", versions.show_old_version, "versions:show_old", Rule.PUBLIC),
)

REQUEST_ID_HEADERS = ("x-openstack-request-id", "x-compute-request-id")
MICROVERSIONS = VersionRange(
    "compute", Microversion.parse(LOWEST), Microversion.parse(HIGHEST), legacy_header="X-OpenStack-Nova-API-Version"
)
APIS = [
    Api("compute-versions", "/compute", VERSIONS, compute_form, request_id_headers=REQUEST_ID_HEADERS),
    Api(
        "compute",
        "/compute/v2.1",
        (
            *SERVERS,
            *FLAVORS,
            *KEYPAIRS,
            *HOSTS,
            *GROUPING,
            *OLD_HOSTS,
            *QUOTAS,
            *IMAGES,
            *NETWORK_PROXIES,
            *VOLUME_PROXIES,
            *CONSOLES,
            *EXTENSIONS,
        ),
        compute_form,
        versions=MICROVERSIONS,
        request_id_headers=REQUEST_ID_HEADERS,
        exact=True,
        old_prefix="/compute/v2",
    ),
]
