"""The names of the networks outside that external networks may be on, and a machine's device of each.

From `[network] physical_networks`, which api and agents read alike: "physnet1:eth1,physnet2:none".
"""

from __future__ import annotations

import re

from common.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9_.@-]{1,15}", re.ASCII)
NO_DEVICE = "none"


def devices(text: str) -> dict[str, str]:
    """The device by name of physical network; "" where there is no wire. Raises ConfigError."""
    found: dict[str, str] = {}
    for entry in (part.strip() for part in text.split(",")):
        if not entry:
            continue
        name, _, device = entry.partition(":")
        if not _NAME.fullmatch(name) or not _DEVICE.fullmatch(device or NO_DEVICE) or name in found:
            raise ConfigError(f"[network] physical_networks: {entry!r} is not NAME:INTERFACE, each name once")
        found[name] = "" if device in ("", NO_DEVICE) else device
    return found
