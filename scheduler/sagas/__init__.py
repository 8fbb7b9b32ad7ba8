"""All sagas, by kind. One file each; a test finds files that are not here or lack the harness."""

from common.saga.model import Saga
from scheduler.sagas import (
    export_withdraw,
    server_attach_interface,
    server_attach_volume,
    server_confirm_resize,
    server_create,
    server_delete,
    server_detach_interface,
    server_detach_volume,
    server_offload,
    server_pause,
    server_reboot,
    server_rebuild,
    server_remains,
    server_rescue,
    server_resize,
    server_restore,
    server_restore_domain,
    server_resume,
    server_revert_resize,
    server_shelve,
    server_snapshot,
    server_soft_delete,
    server_start,
    server_stop,
    server_suspend,
    server_unshelve,
    snapshot_create,
    snapshot_delete,
    volume_create,
    volume_delete,
    volume_extend,
    volume_revert,
    volume_upload,
)

_MODULES = (
    export_withdraw, server_attach_interface, server_attach_volume, server_confirm_resize, server_create, server_delete,
    server_detach_interface, server_detach_volume, server_offload, server_pause, server_reboot, server_rebuild,
    server_remains, server_rescue, server_resize, server_restore, server_restore_domain, server_resume,
    server_revert_resize, server_shelve, server_snapshot, server_soft_delete, server_start, server_stop, server_suspend,
    server_unshelve, snapshot_create, snapshot_delete, volume_create, volume_delete, volume_extend, volume_revert,
    volume_upload,
)  # fmt: skip

SAGAS: dict[str, Saga] = {found.kind: found for found in (module.saga() for module in _MODULES)}
