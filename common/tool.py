"""The one wrapper around child processes: argument lists, a deadline, resource limits; never a shell.

Everything that starts a tool (qemu-img, nft, dnsmasq, genisoimage) goes through `run`. A test walks the tree and fails
for any other use of subprocess in the services.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import ToolFailed


@dataclass(frozen=True)
class Limits:
    """What a child may use; None: as its parent. address_space_mib in MiB, cpu_s in seconds, file_size_mib in MiB.

    network False: it lives in a network namespace of its own, in which there is nothing.
    """

    address_space_mib: int | None = None
    cpu_s: int | None = None
    file_size_mib: int | None = None
    network: bool = True


UNTRUSTED = Limits(address_space_mib=1024, cpu_s=30)


def run(
    arguments: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes | None = None,
    limits: Limits | None = None,
    env: dict[str, str] | None = None,
) -> bytes:
    """Run a tool to its end and return its standard output.

    Raises ToolFailed, with the standard error in `detail` (and `status` among its facts), when it is missing, fails, or
    breaks its deadline or limits.
    """
    command = [*_alone(limits), *_prlimit(limits), *arguments] if limits else list(arguments)
    try:
        done = subprocess.run(  # noqa: S603 - this is the one place that may
            command,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=_environment(env, limits),
        )
    except FileNotFoundError as err:
        raise ToolFailed(f"{arguments[0]} is not installed", detail=str(err)) from err
    except OSError as err:
        raise ToolFailed(f"{arguments[0]} can't be run", detail=str(err)) from err
    except subprocess.TimeoutExpired as err:
        raise ToolFailed(f"{arguments[0]} did not end within {timeout_s:g} s", detail=" ".join(arguments)) from err
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace")[-2000:]
        raise ToolFailed(
            f"{arguments[0]} failed with status {done.returncode}", detail=f"{' '.join(arguments)}: {text}",
            status=done.returncode,
        )  # fmt: skip
    return done.stdout


def _environment(env: dict[str, str] | None, limits: Limits | None) -> dict[str, str] | None:
    """The C library reserves 64 MiB of address space for each of many threads, which qemu-img starts by dozens: under a
    limit it then failed now and then (mallopt(3), M_ARENA_MAX)."""
    if limits is None or limits.address_space_mib is None:
        return env
    return {**(os.environ if env is None else env), "MALLOC_ARENA_MAX": "1"}


def _alone(limits: Limits) -> list[str]:
    """unshare(1); an ordinary user may make a network namespace only inside a user namespace."""
    if limits.network:
        return []
    return (
        ["unshare", "--net", "--"] if os.geteuid() == 0 else ["unshare", "--user", "--map-current-user", "--net", "--"]
    )


def _prlimit(limits: Limits) -> list[str]:
    """prlimit(1) rather than preexec_fn, which is unsafe in a process with threads."""
    words = ["prlimit"]
    if limits.address_space_mib is not None:
        words.append(f"--as={limits.address_space_mib * 1024 * 1024}")
    if limits.cpu_s is not None:
        words.append(f"--cpu={limits.cpu_s}")
    if limits.file_size_mib is not None:
        words.append(f"--fsize={limits.file_size_mib * 1024 * 1024}")
    return [*words, "--"]
