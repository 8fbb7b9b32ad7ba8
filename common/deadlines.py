"""The only table of time-outs, in seconds. Every wait in Cumulet takes its deadline from here."""

from __future__ import annotations

from typing import Final

# Operations (scheduler)
LEASE_S: Final = 30.0  # default of [scheduler] lease_s; renewed at a third of it
RESEND_FIRST_S: Final = 5.0  # an unaccepted command is sent again after this, doubling …
RESEND_MAX_S: Final = 30.0  # … up to this; an accepted one is asked after at this pace
UNDO_DEADLINE_S: Final = 600.0  # after it the operation is `stuck`
ENSURE_INSTANCE_S: Final = 600.0  # image download included
REBUILD_S: Final = 600.0  # image download included
RESIZE_S: Final = 3600.0  # a copy of the disks included
ENSURE_RUNNING_S: Final = 120.0
ENSURE_STOPPED_S: Final = 180.0
REBOOT_S: Final = 240.0
SNAPSHOT_S: Final = 3600.0  # a copy of a whole disk
UPLOAD_S: Final = 3600.0  # of that copy to the image service
PAUSE_S: Final = 60.0
SAVE_MEMORY_S: Final = 900.0  # all of a guest's memory written to, or read from, the node's disk
PLUG_S: Final = 60.0
UNPLUG_S: Final = 240.0  # others of the same guest may have to be waited for
UNPLUG_PATIENCE_S: Final = 60.0  # for a guest to let a device go that was asked for again and again; below UNPLUG_S
DEVICE_POLL_S: Final = 0.5  # an exclusive operation looks so often whether the device operations before it have ended
ENSURE_ABSENT_S: Final = 180.0
ENSURE_VOLUME_S: Final = 3600.0  # a copy of a whole image, snapshot or volume
MOVE_VOLUME_S: Final = 2 * ENSURE_VOLUME_S  # a copy of a whole volume, and the look whether it is the same
BACKUP_S: Final = 12 * 3600.0  # a whole volume to, or from, the store of backups
BACKUP_ABSENT_S: Final = 900.0
RESIZE_VOLUME_S: Final = 300.0
SHOW_SIZE_S: Final = 60.0  # of a served volume that has grown, to the guest that has it
EXPORT_S: Final = 60.0  # a storage daemon starts, or ends, on the node that has a volume
VOLUME_ABSENT_S: Final = 180.0
WAIT_FOR_VOLUME_S: Final = 3600.0  # another operation works on the volume's bytes
WAIT_FOR_CANCELLED_S: Final = 900.0
WAIT_FOR_NODES_S: Final = 180.0  # no node at all is heard of: the broker is away; new servers wait so long
SYNC_NETWORK_S: Final = 30.0
SOFT_STOP_S: Final = 60  # what a guest gets to power itself off, unless its image says os_shutdown_timeout …
SOFT_STOP_MOST_S: Final = 150  # … which can't be more than this; below ENSURE_STOPPED_S

# Nodes
HEARTBEAT_S: Final = 5.0
NODE_DOWN_S: Final = 30.0
SELF_FENCE_S: Final = 45.0  # T_self: a node that can't renew its lease for so long stops its evacuable guests
CUT_OFF_S: Final = SELF_FENCE_S + 15.0  # silent for so long: peers drop the node, and creations move on without it
GATEWAY_LOST_S: Final = 20.0  # a gateway node silent for so long: another one takes its routers
WATCHDOG_LOOK_S: Final = 1.0
AWAIT_NODE_S: Final = 365 * 24 * 3600.0  # what is left on a node waits for its return, or for `cumulet node forget`

# Reports (agent)
REPORT_REPEAT_FIRST_S: Final = 5.0
ACK_BATCH_S: Final = 0.1  # reports are acknowledged together, this often
ACCEPTED_HELD_BACK_S: Final = 1.0  # "accepted" is not said of a command that is done by then; below RESEND_FIRST_S
REPORT_REPEAT_MAX_S: Final = 60.0

# Storage daemons (volumes served over NBD)
STORAGE_DAEMON_START_S: Final = 20.0
STORAGE_DAEMON_END_S: Final = 5.0  # for SIGTERM, then for SIGKILL
STORAGE_DAEMON_LOOK_S: Final = 1.0  # one that died is started again within so long
NBD_OPEN_S: Final = 5.0  # a node that serves a volume has so long to answer; below STORAGE_DAEMON_START_S
NBD_RECONNECT_S: Final = 60.0  # a guest's reads and writes wait so long for a node that serves; then the guest pauses
QMP_S: Final = 10.0
STALLED_LOOK_S: Final = 5.0  # a guest that paused because of that is let go on, this often

# Ceph (volumes that are images of a pool)
RBD_S: Final = 60.0  # a look, a mark, a snapshot: the cluster may be finding out that a part of it has died
RBD_BUSY_S: Final = 45.0  # Ceph believes for 30 s that a client that was killed has its image open
RBD_COPY_S: Final = 3600.0  # what takes longer the larger the image is: removal, going back to a snapshot

# Questions asked while a client waits
QUERY_S: Final = 5.0

# Consoles
CONSOLE_DIAL_S: Final = 10.0  # for a node to come to a console that a browser has opened
CONSOLE_LOOK_S: Final = 2.0  # an open console is looked at so often: rights, lock and server are as they were
CONSOLE_CLOSE_S: Final = 2.0  # for a browser or node to say goodbye, when its console ends or the service does

# The bus
BUS_CONNECT_S: Final = 5.0
BUS_ANSWER_S: Final = 10.0  # a confirm, or an answer to a declaration
BUS_AGAIN_FIRST_S: Final = 0.1  # a lost consumer connects again after this, doubling …
BUS_AGAIN_MAX_S: Final = 2.0  # … up to this
HINT_CONNECT_S: Final = 1.0  # a hint is no reason to let a client wait
HINT_PAUSE_S: Final = 1.0  # after a failure no hint is tried for so long: the sweep finds the rows
BROKER_API_S: Final = 5.0  # one request to RabbitMQ's management API
JOIN_REQUEST_S: Final = 30.0

# Libvirt calls (agent); past these the domain is marked busy and its thread counted as lost
LIBVIRT_QUICK_S: Final = 15.0
LIBVIRT_DEVICE_S: Final = 30.0  # libvirt waits up to 5 s for a guest to let a device go
LIBVIRT_START_S: Final = 90.0
LIBVIRT_SAVE_S: Final = 600.0  # the guest's memory goes to, or comes from, the disk

# Child processes
QEMU_IMG_S: Final = 300.0
QEMU_IMG_COPY_S: Final = 3000.0  # of a whole disk; below SNAPSHOT_S
IMAGE_CONVERT_S: Final = 3000.0  # of a foreign image to qcow2, by the image service
TOOL_S: Final = 15.0

# HTTP
IMAGE_DOWNLOAD_IDLE_S: Final = 30.0
IMAGE_IMPORT_LEASE_S: Final = 30.0  # how long an import stays with a worker that has died; renewed at a third of it
IMAGE_IMPORT_SWEEP_S: Final = 1.0  # how often imports that other API processes accepted are looked for
IMAGE_IMPORT_CHECK_S: Final = 5.0  # how often a worker asks whether its import is still wanted
IMAGE_UPLOAD_SWEEP_S: Final = 30.0  # how often uploads are looked for whose API process has died
IMAGE_FETCH_S: Final = 6 * 3600.0  # a whole image from an address that a user gave
IMAGE_FETCH_IDLE_S: Final = 30.0
IMAGE_UPLOAD_ANSWER_S: Final = 120.0  # after the last byte: it is looked into and put on the disk
METADATA_REQUEST_S: Final = 5.0
GUEST_PASSWORD_S: Final = 3.0  # for the API to answer a node whose guest waits, within METADATA_REQUEST_S

# Reconcilers (scheduler), time between two passes
RECONCILE_S: Final = 5.0
LIVENESS_S: Final = 2.0
ROUTER_PLACES_S: Final = 2.0
BROKER_SYNC_S: Final = 3.0
SWEEP_BATCH: Final = 64
ORPHAN_DISK_KEEP_S: Final = 7 * 24 * 3600.0

# Command line
CLI_REQUEST_S: Final = 60.0
CLI_IMAGE_S: Final = 3600.0  # until the answer to an image's last byte: it is hashed and looked into
CLI_WAIT_S: Final = 900.0  # for what --wait waits for
CLI_POLL_S: Final = 0.4
CLI_REFRESH_S: Final = 2.0  # of `cumulet top`
