"""The image store: names are ids, files are private, locks tell the living from the dead."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.image.store import ImageStore, sync, write_all
from common.errors import ImageDamaged
from common.ids import new_id

FUTURE = 4e9


@given(
    name=st.one_of(st.text(max_size=60), st.sampled_from(["../x", "/etc/passwd", "a\x00b", "-rf", ".", "..", "a\nb"]))
)
def test_only_ids_become_paths(name: str) -> None:
    """IMG-15."""
    store = ImageStore(Path("/nonexistent/store"))
    for method in (store.discard, store.remove, store.has_upload):
        try:
            method(name)
        except ValueError:
            continue
        assert len(name.replace("-", "").strip("{}").removeprefix("urn:uuid:")) == 32


def test_a_file_is_staged_then_published(tmp_path: Path) -> None:
    store = ImageStore.at(str(tmp_path / "images"))
    upload_id, image_id = new_id(), new_id()
    file = store.stage(upload_id)
    write_all(file, b"bytes")
    assert store.image_ids() == []
    sync(file)
    store.publish(upload_id, image_id)
    store.publish(upload_id, image_id)
    assert store.image_ids() == [image_id]
    with store.open(image_id, 5) as published:
        assert published.read() == b"bytes"
    assert stat.S_IMODE((tmp_path / "images" / image_id).stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "images" / "staging").stat().st_mode) == 0o750
    with pytest.raises(ImageDamaged):
        store.open(image_id, 6)
    with pytest.raises(ImageDamaged):
        store.open(new_id(), 5)
    with pytest.raises(FileNotFoundError):
        store.publish(new_id(), new_id())


def test_an_upload_is_stale_when_its_process_is_gone(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    living, dead, young = new_id(), new_id(), new_id()
    file = store.stage(living)
    store.stage(dead).close()
    store.stage(young).close()
    os.utime(tmp_path / "staging" / dead, (0, 0))
    (tmp_path / "staging" / "not-an-id").touch()
    assert store.stale_uploads(before=1e9) == [dead]
    assert living not in store.stale_uploads(before=FUTURE)
    file.close()
    assert living in store.stale_uploads(before=FUTURE)
    assert ImageStore(tmp_path / "absent").stale_uploads(FUTURE) == []
    assert ImageStore(tmp_path / "absent").image_ids() == []
