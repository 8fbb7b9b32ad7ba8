"""Programmable trouble for the driver `fake`: what `faults.json` says happens at each verb.

The file maps a verb's name to one fault or a list of them, and is read again at every call:

    {"ensure_running": {"fail_times": 2, "code": "hypervisor_error", "message": "no", "delay_ms": 50,
                        "instance_id": "…"},
     "request_shutdown": {"ignore": true},
     "ensure_absent": {"kill": "after"}}

delay_ms: wait first. fail_times: fail so often, then never again (0 with a code or kill: always); counts outlive the
process, in `faults.used.json`. code: hypervisor_error or hypervisor_timeout. ignore: the guest does not react to a
power button, or keeps a device. kill: SIGKILL to the own process "before" or "after" the verb's work. instance_id: only
for this one.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from common.clock import Clock
from common.errors import ConfigError, HypervisorError, HypervisorTimeout

_ERRORS = {"hypervisor_error": HypervisorError, "hypervisor_timeout": HypervisorTimeout}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    delay_ms: int = 0
    fail_times: int = 0
    code: Literal["", "hypervisor_error", "hypervisor_timeout"] = ""
    message: str = "fault asked for in faults.json"
    ignore: bool = False
    kill: Literal["", "before", "after"] = ""
    instance_id: str = ""


_decoder = msgspec.json.Decoder(dict[str, Fault | list[Fault]])
_counts_decoder = msgspec.json.Decoder(dict[str, int])


class Faults:
    """Reads the faults of one fake hypervisor's folder and makes them happen."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._file = folder / "faults.json"
        self._used_file = folder / "faults.used.json"
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def around(self, verb: str, instance_id: str) -> Iterator[bool]:
        """Wrap a verb's work; yields False when the guest is to ignore it. Raises what the fault says."""
        faults = [fault for fault in self._of(verb) if fault.instance_id in ("", instance_id)]
        for fault in faults:
            if fault.delay_ms:
                self._clock.sleep(fault.delay_ms / 1000)
        due = [fault for fault in faults if (fault.code or fault.kill or fault.fail_times) and self._take(verb, fault)]
        for fault in due:
            if fault.kill == "before":
                _die()
            if not fault.kill:
                error = _ERRORS[fault.code or "hypervisor_error"]
                raise error(fault.message, detail=f"faults.json, {verb}", instance_id=instance_id)
        yield not any(fault.ignore for fault in faults)
        if any(fault.kill == "after" for fault in due):
            _die()

    def _of(self, verb: str) -> list[Fault]:
        try:
            found = _decoder.decode(self._file.read_bytes()).get(verb, [])
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as err:
            raise ConfigError(f"{self._file} is not as fake_faults.py describes: {err}") from err
        return found if isinstance(found, list) else [found]

    def _take(self, verb: str, fault: Fault) -> bool:
        """Count one use, on disk before it happens; False when the fault is used up."""
        if not fault.fail_times:
            return True
        key = hashlib.sha256(verb.encode() + msgspec.json.encode(fault)).hexdigest()
        with self._lock:
            counts = _counts_decoder.decode(self._used_file.read_bytes()) if self._used_file.exists() else {}
            if counts.get(key, 0) >= fault.fail_times:
                return False
            counts[key] = counts.get(key, 0) + 1
            new = self._used_file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(counts))
            new.rename(self._used_file)
        return True


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
