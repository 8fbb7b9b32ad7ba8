"""Disks of an instance beside those it has as a rule: to rescue it with, and as they were before it was resized.

Part of version 1 of the messages (compute_v1.py), with the same rules.
"""

from __future__ import annotations

import msgspec

from common.rpc.command_base import CommandBase, ImageSpec


class RescueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A disk made of an image, to boot from. kind: "disk" or "cdrom". first: before all disks, else behind them.

    bus "": as the other disks.
    """

    image: ImageSpec
    kind: str = "disk"
    bus: str = ""
    first: bool = True


class RestoreKeptDisks(CommandBase, frozen=True, kw_only=True, tag="restore_kept_disks"):
    """Remove the guest and put the disks that ResizeInstance kept in the place of its own. Succeeds without any."""


class DiscardKeptDisks(CommandBase, frozen=True, kw_only=True, tag="discard_kept_disks"):
    """Remove the disks that ResizeInstance kept. Succeeds when there are none."""
