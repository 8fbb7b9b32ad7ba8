"""One node of the tunnel test, as a process: `unshare --mount` gives it a /run/netns of its own, as machines have.

Reads lines from standard input: `heal`, which it answers with "healed", or a NetworkState as JSON to apply, which it answers
with "applied". Tears down at the end.
Arguments: state folder, address of the node.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from common.clock import SystemClock
from common.config import NetworkConfig
from common.rpc.compute_v1 import NetworkState
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking.linux import LinuxNetworking


def main(folder: Path, address: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    clock = SystemClock()
    networking = LinuxNetworking(
        state_dir=folder / "state",
        run_dir=folder / "run",
        config=NetworkConfig(),
        metadata=lambda network_id, listening: MetadataServer(
            network_id, listening, lambda peer, method, path, body: (200, "text/plain", address.encode()), clock
        ),
        clock=clock,
        tunnel_address=address,
    )
    try:
        for line in sys.stdin.buffer:
            if line == b"heal\n":
                networking.heal()
                print("healed", flush=True)
                continue
            networking.apply(msgspec.json.decode(line, type=NetworkState))
            print("applied", flush=True)
    finally:
        networking.teardown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
