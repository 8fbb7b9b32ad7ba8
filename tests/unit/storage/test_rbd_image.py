"""What tools are told of images in a Ceph pool: names as values of their own, and never the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import tool
from common.errors import ToolFailed
from compute_agent.storage import rbd
from compute_agent.storage.rbd_image import Pool, RbdImage

POOL = Pool("po,ol", "cumulet", Path("/etc/ceph/a,b.conf"), Path("/etc/cumulet/rbd.key"))


def test_names_add_no_options() -> None:
    found = RbdImage(POOL, "volume-1,file.user=admin").at("s").source()
    assert found.options == (
        "driver=raw,file.driver=rbd,file.pool=po,,ol,file.image=volume-1,,file.user=admin,file.conf=/etc/ceph/a,,b.conf,"
        "file.user=cumulet,file.snapshot=s,file.key-secret=ceph-key"
    )
    assert found.objects == ("--object", "secret,id=ceph-key,file=/etc/cumulet/rbd.key,format=base64")
    assert RbdImage(Pool("p", "u", Path("/c"), None), "v").source().objects == ()


def test_what_is_not_there_is_told_from_what_can_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    status = 2

    def run(words: list[str], **_: object) -> bytes:
        told.append(words)
        raise ToolFailed("rbd failed", status=status)

    monkeypatch.setattr(tool, "run", run)
    pool = rbd.RbdPool(POOL)
    image = pool.image("volume-1")
    assert (pool.has_mark(image, "k"), pool.size_bytes(image), pool.snapshots(image)) == (False, None, [])
    pool.remove(image)
    pool.remove_snapshot(image.at("s"))
    named = ["--pool", "po,ol", "--image", "volume-1", "--snap", "s"]
    own = ["rbd", "--conf", "/etc/ceph/a,b.conf", "--id", "cumulet", "--keyfile", "/etc/cumulet/rbd.key"]
    assert told[-1] == [*own, "snap", "remove", "--no-progress", *named]
    status = 110  # the cluster does not answer
    with pytest.raises(ToolFailed):
        pool.has_mark(image, "k")
