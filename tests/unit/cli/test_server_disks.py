"""What `server create` asks for by its options on disks, as block_device_mapping_v2."""

from __future__ import annotations

import argparse
from typing import Any
from unittest import mock

import pytest

from cli import server_disks
from cli.errors import CommandError

LOCAL = {"source_type": "blank", "destination_type": "local", "boot_index": -1, "delete_on_termination": True}
ROOT = {"boot_index": 0, "destination_type": "volume"}


def _asked(words: list[str], image_id: str | None = "image") -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser()
    server_disks.add_boot_options(parser, parser.add_mutually_exclusive_group())
    with mock.patch("cli.find.id_of", lambda _cloud, _kind, name: f"id-of-{name}"):
        return server_disks.devices(mock.Mock(), parser.parse_args(words), image_id)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["--volume", "v"], [{"uuid": "id-of-v", "source_type": "volume", **ROOT}]),
        (["--snapshot", "s"], [{"uuid": "id-of-s", "source_type": "snapshot", **ROOT}]),
        (["--boot-from-volume", "3"], [{"uuid": "image", "source_type": "image", "volume_size": 3, **ROOT}]),
        (
            ["--swap", "64", "--ephemeral", "size=2,format=ext4"],
            [
                {
                    "uuid": "image", "source_type": "image", "destination_type": "local", "boot_index": 0,
                    "delete_on_termination": True,
                },
                {**LOCAL, "volume_size": 2, "guest_format": "ext4"},
                {**LOCAL, "volume_size": 64, "guest_format": "swap"},
            ],
        ),
        (
            ["--block-device", "uuid=v,source_type=volume,boot_index=0,delete_on_termination=true"],
            [{"uuid": "id-of-v", "source_type": "volume", "delete_on_termination": True, **ROOT}],
        ),
    ],
)  # fmt: skip
def test_disks_as_the_api_has_them(words: list[str], expected: list[dict[str, Any]]) -> None:
    assert _asked(words) == expected


def test_what_can_not_be_is_refused_with_the_reason() -> None:
    with pytest.raises(CommandError, match="needs an image"):
        _asked(["--boot-from-volume", "3"], None)
    with pytest.raises(CommandError, match="no whole number"):
        _asked(["--ephemeral", "size=x"])
    with pytest.raises(SystemExit):
        _asked(["--block-device", "source_type=volume"])
