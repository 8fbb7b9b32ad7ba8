"""Which snapshot the image of a server that boots from a volume names, in text that any user may write."""

from __future__ import annotations

import json

import pytest

from api.volume.operations.server_snapshots import boot_snapshot

ROOT = {"source_type": "snapshot", "boot_index": 0, "snapshot_id": "s"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps([{"source_type": "snapshot", "boot_index": None, "snapshot_id": "t"}, ROOT]), "s"),
        (json.dumps([{**ROOT, "boot_index": "0"}]), "s"),
        (json.dumps([{**ROOT, "source_type": "image"}]), None),
        (json.dumps([{**ROOT, "snapshot_id": None}]), None),
        (json.dumps([{**ROOT, "snapshot_id": "x" * 1000}]), "x" * 64),
        (json.dumps(ROOT), None),
        (json.dumps(["s"]), None),
        ("[" * 100_000, None),
        ("no JSON", None),
        (None, None),
    ],
)
def test_the_snapshot_of_the_root_disk(text: str | None, found: str | None) -> None:
    assert boot_snapshot({"block_device_mapping": text}) == found
