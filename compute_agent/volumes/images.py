"""Images that volumes are made from, as the node's cache has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from common.rpc.command_base import ImageSpec
from compute_agent.storage.image_cache import ImageCache
from compute_agent.volumes.base import Measure
from compute_agent.volumes.place import VolumeFile


class VolumeImages:
    """in_use: sha512 of images that instances' disks are built on."""

    def __init__(self, cache: ImageCache, in_use: Callable[[], set[str]]) -> None:
        self._cache, self._in_use = cache, in_use

    @contextmanager
    def held(self, image: ImageSpec, measure: Measure) -> Iterator[VolumeFile]:
        """The image's file, which stays within the block. Raises ImageDamaged, ImageRefused."""
        with ExitStack() as stack:
            with measure("image"):
                base = stack.enter_context(self._cache.hold(image, self._in_use))
            yield VolumeFile(base.path, base.format)
