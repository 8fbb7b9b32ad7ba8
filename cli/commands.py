"""The commands that `openstack` has too: words -> where the class is, imported when it is used."""

from __future__ import annotations

from typing import Final


def _noun(words: str, module: str, **verbs: str) -> dict[str, str]:
    """verbs: an underscore stands for a blank."""
    return {f"{words} {verb.replace('_', ' ')}".strip(): f"cli.{module}:{name}" for verb, name in verbs.items()}


OPENSTACK: Final[dict[str, str]] = {
    **_noun(
        "address group", "address", list="ListAddressGroups", show="ShowAddressGroup", create="CreateAddressGroup",
        delete="DeleteAddressGroups", set="SetAddressGroup", unset="UnsetAddressGroup",
    ),
    **_noun(
        "address scope", "address", list="ListAddressScopes", show="ShowAddressScope", create="CreateAddressScope",
        delete="DeleteAddressScopes", set="SetAddressScope",
    ),
    **_noun(
        "aggregate", "aggregate", list="ListAggregates", show="ShowAggregate", create="CreateAggregate",
        delete="DeleteAggregates", set="SetAggregate", unset="UnsetAggregate", add_host="AddHost", remove_host="RemoveHost",
    ),
    **_noun("access rule", "application_credential", list="ListRules", delete="DeleteRules"),
    **_noun(
        "application credential", "application_credential", list="ListCredentials", show="ShowCredential",
        create="CreateCredential", delete="DeleteCredentials",
    ),
    **_noun("availability zone", "host", list="ListZones"),
    **_noun("catalog", "catalog", list="ListCatalog", show="ShowCatalog"),
    **_noun("compute service", "host", list="ListComputeServices", set="SetComputeService"),
    **_noun("console log", "server_actions", show="ShowConsoleLog"),
    **_noun("console url", "console", show="ShowConsoleUrl"),
    **_noun("console connection", "console", show="ShowConsoleConnection"),
    **_noun(
        "domain", "domain", list="ListDomains", show="ShowDomain", create="CreateDomain", delete="DeleteDomains",
        set="SetDomain",
    ),
    **_noun(
        "endpoint", "catalog", list="ListEndpoints", show="ShowEndpoint", create="CreateEndpoint", delete="DeleteEndpoints",
        set="SetEndpoint",
    ),
    **_noun(
        "flavor", "flavor", list="ListFlavors", show="ShowFlavor", create="CreateFlavor", delete="DeleteFlavors",
        set="SetFlavor", unset="UnsetFlavor",
    ),
    **_noun(
        "floating ip", "floating_ip", list="ListFloatingIps", show="ShowFloatingIp", create="CreateFloatingIp",
        delete="DeleteFloatingIps", set="SetFloatingIp", unset="UnsetFloatingIp",
    ),
    **_noun(
        "floating ip port forwarding", "port_forwarding", list="ListForwardings", show="ShowForwarding",
        create="CreateForwarding", delete="DeleteForwardings", set="SetForwarding",
    ),
    **_noun(
        "group", "group", list="ListGroups", show="ShowGroup", create="CreateGroup", delete="DeleteGroups", set="SetGroup",
        add_user="AddUsers", remove_user="RemoveUsers", contains_user="ContainsUser",
    ),
    **_noun("implied role", "role", list="ListImplied"),
    **_noun("hypervisor", "host", list="ListHypervisors", show="ShowHypervisor", stats_show="ShowHypervisorStats"),
    **_noun(
        "image", "image", list="ListImages", show="ShowImage", create="CreateImage", save="SaveImage", set="SetImage",
        unset="UnsetImage", delete="DeleteImages",
    ),
    **_noun(
        "image", "image_import", **{"import": "ImportImage"}, stage="StageImage", import_info="ShowImportInfo",
        stores_list="ListStores", task_list="ListTasks", task_show="ShowTask",
    ),
    **_noun(
        "image", "image_member", add_project="AddProject", remove_project="RemoveProject", member_list="ListMembers",
        member_get="GetMember",
    ),
    **_noun("ip availability", "network_agent", list="ListAvailability", show="ShowAvailability"),
    **_noun("keypair", "keypair", list="ListKeypairs", show="ShowKeypair", create="CreateKeypair", delete="DeleteKeypairs"),
    **_noun("limits", "quota", show="ShowLimits"),
    **_noun(
        "network", "network", list="ListNetworks", show="ShowNetwork", create="CreateNetwork", delete="DeleteNetworks",
        set="SetNetwork", unset="UnsetNetwork",
    ),
    **_noun(
        "network agent", "network_agent", list="ListAgents", show="ShowAgent", set="SetAgent", add_network="AddNetwork",
        remove_network="RemoveNetwork", add_router="AddRouter", remove_router="RemoveRouter",
    ),
    **_noun(
        "network qos policy", "network_qos", list="ListPolicies", show="ShowPolicy", create="CreatePolicy",
        delete="DeletePolicies", set="SetPolicy",
    ),
    **_noun(
        "network qos rule", "network_qos", list="ListRules", show="ShowRule", create="CreateRule", delete="DeleteRule",
        set="SetRule", type_list="ListRuleTypes", type_show="ShowRuleType",
    ),
    **_noun(
        "network rbac", "network_rbac", list="ListRbac", show="ShowRbac", create="CreateRbac", delete="DeleteRbac",
        set="SetRbac",
    ),
    **_noun(
        "network trunk", "network_trunk", list="ListTrunks", show="ShowTrunk", create="CreateTrunk", delete="DeleteTrunks",
        set="SetTrunk", unset="UnsetTrunk",
    ),
    **_noun("network subport", "network_trunk", list="ListSubports"),
    **_noun("port", "port", list="ListPorts", show="ShowPort", delete="DeletePorts"),
    **_noun("port", "port_change", create="CreatePort", set="SetPort", unset="UnsetPort"),
    **_noun(
        "project", "project", list="ListProjects", show="ShowProject", create="CreateProject", delete="DeleteProjects",
        set="SetProject",
    ),
    **_noun("quota", "quota", show="ShowQuota", set="SetQuota", list="ListQuotas", delete="DeleteQuota"),
    **_noun(
        "region", "domain", list="ListRegions", show="ShowRegion", create="CreateRegion", delete="DeleteRegions",
        set="SetRegion",
    ),
    **_noun(
        "role", "role", list="ListRoles", show="ShowRole", create="CreateRole", delete="DeleteRoles", add="AddRole",
        set="SetRole", remove="RemoveRole", assignment_list="ListAssignments",
    ),
    **_noun(
        "router", "router", list="ListRouters", show="ShowRouter", create="CreateRouter", delete="DeleteRouters",
        set="SetRouter", unset="UnsetRouter",
    ),
    **_noun(
        "router", "router_interface", add_subnet="AddSubnet", remove_subnet="RemoveSubnet", add_port="AddPort",
        remove_port="RemovePort", add_route="AddRoute", remove_route="RemoveRoute",
    ),
    **_noun(
        "security group", "security_group", list="ListGroups", show="ShowGroup", create="CreateGroup",
        delete="DeleteGroups", set="SetGroup", unset="UnsetGroup",
    ),
    **_noun(
        "security group rule", "security_group_rule", list="ListRules", show="ShowRule", create="CreateRule",
        delete="DeleteRules",
    ),
    **_noun("server", "server_list", list="ListServers", show="ShowServer"),
    **_noun("server", "server_create", create="CreateServer"),
    **_noun("server", "server_ssh", ssh="Ssh"),
    **_noun(
        "server", "server_actions", delete="DeleteServers", start="StartServers", stop="StopServers",
        reboot="RebootServer", pause="PauseServers", unpause="UnpauseServers", suspend="SuspendServers",
        resume="ResumeServers", set="SetServer", unset="UnsetServer", lock="LockServers", unlock="UnlockServers",
        add_security_group="AddGroups", remove_security_group="RemoveGroups",
    ),
    **_noun("server", "server_rebuild", rebuild="RebuildServer"),
    **_noun("server", "server_resize", resize="ResizeServer", migrate="MigrateServer"),
    **_noun("server resize", "server_resize", confirm="ConfirmResize", revert="RevertResize"),
    **_noun("server migration", "server_resize", list="ListMigrations", confirm="ConfirmResize", revert="RevertResize"),
    **_noun("server", "server_rescue", rescue="RescueServer", unrescue="UnrescueServer", restore="RestoreServers"),
    **_noun("server dump", "server_rescue", create="CreateDump"),
    **_noun("server", "server_shelf", shelve="ShelveServers", unshelve="UnshelveServers"),
    **_noun(
        "server", "server_network", add_port="AddPort", remove_port="RemovePort", add_network="AddNetwork",
        remove_network="RemoveNetwork", add_fixed_ip="AddFixedIp", remove_fixed_ip="RemoveFixedIp",
        add_floating_ip="AddFloatingIp", remove_floating_ip="RemoveFloatingIp",
    ),
    **_noun("server", "server_volume", add_volume="AddVolume", remove_volume="RemoveVolume"),
    **_noun("server volume", "server_volume", list="ListVolumes", set="SetVolume", update="SetVolume"),
    **_noun("server image", "server_image", create="CreateServerImage"),
    **_noun("server backup", "server_image", create="CreateServerBackup"),
    **_noun("server event", "server_event", list="ListEvents", show="ShowEvent"),
    **_noun(
        "server group", "server_group", list="ListGroups", show="ShowGroup", create="CreateGroup", delete="DeleteGroups"
    ),
    **_noun(
        "service", "catalog", list="ListServices", show="ShowService", create="CreateService", delete="DeleteServices",
        set="SetService",
    ),
    **_noun(
        "subnet", "subnet", list="ListSubnets", show="ShowSubnet", create="CreateSubnet", delete="DeleteSubnets",
        set="SetSubnet", unset="UnsetSubnet",
    ),
    **_noun(
        "subnet pool", "subnet_pool", list="ListSubnetPools", show="ShowSubnetPool", create="CreateSubnetPool",
        delete="DeleteSubnetPools", set="SetSubnetPool", unset="UnsetSubnetPool",
    ),
    **_noun("token", "catalog", issue="IssueToken", revoke="RevokeToken"),
    **_noun("usage", "usage", list="ListUsage", show="ShowUsage"),
    **_noun(
        "user", "user", list="ListUsers", show="ShowUser", create="CreateUser", delete="DeleteUsers", set="SetUser",
    ),
    **_noun("user password", "user", set="SetPassword"),
    **_noun(
        "volume", "volume", list="ListVolumes", show="ShowVolume", create="CreateVolume", delete="DeleteVolumes",
        revert="RevertVolume", summary="VolumeSummary",
    ),
    **_noun("volume", "volume_set", set="SetVolume", unset="UnsetVolume"),
    **_noun(
        "volume snapshot", "volume_snapshot", list="ListSnapshots", show="ShowSnapshot", create="CreateSnapshot",
        delete="DeleteSnapshots", set="SetSnapshot", unset="UnsetSnapshot",
    ),
    **_noun(
        "volume type", "volume_type", list="ListTypes", show="ShowType", create="CreateType", delete="DeleteTypes",
        set="SetType", unset="UnsetType",
    ),
    **_noun(
        "volume attachment", "volume_attachment", list="ListAttachments", show="ShowAttachment", create="CreateAttachment",
        set="SetAttachment", complete="CompleteAttachment", delete="DeleteAttachment",
    ),
    **_noun(
        "volume transfer request", "volume_transfer", list="ListTransfers", show="ShowTransfer", create="CreateTransfer",
        accept="AcceptTransfer", delete="DeleteTransfers",
    ),
    **_noun(
        "volume qos", "volume_qos", list="ListQos", show="ShowQos", create="CreateQos", delete="DeleteQos", set="SetQos",
        unset="UnsetQos", associate="AssociateQos", disassociate="DisassociateQos",
    ),
    **_noun(
        "volume backup", "volume_backup", list="ListBackups", show="ShowBackup", create="CreateBackup",
        restore="RestoreBackup", delete="DeleteBackups", set="SetBackup", unset="UnsetBackup",
    ),
    **_noun("volume service", "volume_service", list="ListServices", set="SetService"),
    **_noun("volume backend pool", "volume_service", list="ListPools"),
    **_noun("volume message", "volume_service", list="ListMessages", show="ShowMessage", delete="DeleteMessages"),
}  # fmt: skip
