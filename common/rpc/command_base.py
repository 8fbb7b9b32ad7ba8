"""What the commands of compute_v1.py have in common, in whichever file they are declared."""

from __future__ import annotations

from datetime import datetime

import msgspec


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An image as the agent must fetch and verify it."""

    id: str
    sha512: str
    size_bytes: int
    disk_format: str  # recorded once by the image service: "qcow2" or "raw"; never guessed again
    virtual_size_bytes: int
    url: str  # absolute; fetched with the node's secret


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every command carries.

    id: the command's own id, equal for every repetition of it. operation_id is "" for commands outside operations.
    """

    id: str
    operation_id: str
    step: str
    request_id: str
    instance_id: str
    epoch: int
    generation: int
    deadline: datetime


class DeviceCommandBase(CommandBase, frozen=True, kw_only=True):
    """A command about one device of an instance. Of two about the same device the higher generation counts; ones about
    different devices may come in any order."""

    device_id: str
