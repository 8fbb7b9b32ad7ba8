"""The commands that `openstack` has too: words -> where the class is, imported when it is used."""

from __future__ import annotations

from typing import Final


def _noun(words: str, module: str, **verbs: str) -> dict[str, str]:
    """verbs: an underscore stands for a blank."""
    return {f"{words} {verb.replace('_', ' ')}".strip(): f"cli.{module}:{name}" for verb, name in verbs.items()}


OPENSTACK: Final[dict[str, str]] = {
    **_noun("availability zone", "host", list="ListZones"),
    **_noun("catalog", "catalog", list="ListCatalog", show="ShowCatalog"),
    **_noun("compute service", "host", list="ListComputeServices", set="SetComputeService"),
    **_noun("console log", "server_actions", show="ShowConsoleLog"),
    **_noun("endpoint", "catalog", list="ListEndpoints", show="ShowEndpoint", create="CreateEndpoint", delete="DeleteEndpoints"),
    **_noun(
        "flavor", "flavor", list="ListFlavors", show="ShowFlavor", create="CreateFlavor", delete="DeleteFlavors",
        set="SetFlavor", unset="UnsetFlavor",
    ),
    **_noun("hypervisor", "host", list="ListHypervisors", show="ShowHypervisor"),
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
    **_noun("keypair", "keypair", list="ListKeypairs", show="ShowKeypair", create="CreateKeypair", delete="DeleteKeypairs"),
    **_noun("limits", "quota", show="ShowLimits"),
    **_noun(
        "network", "network", list="ListNetworks", show="ShowNetwork", create="CreateNetwork", delete="DeleteNetworks",
        set="SetNetwork",
    ),
    **_noun("port", "port", list="ListPorts", show="ShowPort", create="CreatePort", delete="DeletePorts", set="SetPort"),
    **_noun(
        "project", "project", list="ListProjects", show="ShowProject", create="CreateProject", delete="DeleteProjects",
        set="SetProject",
    ),
    **_noun("quota", "quota", show="ShowQuota", set="SetQuota", list="ListQuotas", delete="DeleteQuota"),
    **_noun(
        "role", "role", list="ListRoles", show="ShowRole", create="CreateRole", delete="DeleteRoles", add="AddRole",
        remove="RemoveRole", assignment_list="ListAssignments",
    ),
    **_noun(
        "security group", "security_group", list="ListGroups", show="ShowGroup", create="CreateGroup",
        delete="DeleteGroups", set="SetGroup",
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
    **_noun("server image", "server_image", create="CreateServerImage"),
    **_noun("server backup", "server_image", create="CreateServerBackup"),
    **_noun("server event", "server_event", list="ListEvents", show="ShowEvent"),
    **_noun("service", "catalog", list="ListServices", show="ShowService", create="CreateService", delete="DeleteServices"),
    **_noun(
        "subnet", "subnet", list="ListSubnets", show="ShowSubnet", create="CreateSubnet", delete="DeleteSubnets",
        set="SetSubnet",
    ),
    **_noun("token", "catalog", issue="IssueToken", revoke="RevokeToken"),
    **_noun("user", "user", list="ListUsers", show="ShowUser", create="CreateUser", delete="DeleteUsers", set="SetUser"),
}  # fmt: skip
