"""The stores that images' bytes lie in: `local`, which is always there, and those that the configuration adds.

A store is a folder that all API hosts share. Uploads and staged bytes are in `local` until they are an image.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from api.image.store import CHUNK_BYTES, ImageStore
from api.request import Services
from common import log
from common.config import ImageConfig
from common.db.models import Image
from common.errors import ConfigError, ImageDamaged

logger = logging.getLogger(__name__)
LOCAL = "local"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


@dataclass(frozen=True)
class ShownStore:
    """folder and chunk_bytes are for administrators only."""

    id: str
    folder: str
    chunk_bytes: int


def shown(services: Services) -> list[ShownStore]:
    return [ShownStore(name, str(store.root), CHUNK_BYTES) for name, store in stores_of(services).items()]


def configured(config: ImageConfig) -> dict[str, ImageStore]:
    """Every store by its id, `local` first. Raises ConfigError."""
    found = {LOCAL: ImageStore.at(config.store_dir)}
    for word in (each.strip() for each in config.more_stores.split(",")):
        if not word:
            continue
        name, _, folder = word.partition(":")
        if not _NAME.match(name) or name in found or not Path(folder).is_absolute():
            raise ConfigError(
                f"[image] more_stores: {word!r} is not NAME:FOLDER with a new name of small letters and an absolute folder"
            )
        found[name] = ImageStore.at(folder)
    return found


def store_of(services: Services) -> ImageStore:
    """`local`, where uploads arrive."""
    return ImageStore.at(services.config.image.store_dir)


def stores_of(services: Services) -> dict[str, ImageStore]:
    return configured(services.config.image)


def ids(text: str) -> list[str]:
    """Of what an image's row says of its stores."""
    return [word for word in text.split(",") if word]


def text_of(names: Iterable[str]) -> str:
    return ",".join(names)


def holding(services: Services, image: Image) -> ImageStore:
    """A store that has the image's bytes, as its row says. Raises ImageDamaged when the configuration knows none of them."""
    known = stores_of(services)
    for name in ids(image.stores):
        if name in known and known[name].has(image.id):
            return known[name]
    raise ImageDamaged(f"The data of image {image.id} can't be read.", detail=f"looked for in {image.stores!r}")


def remove_everywhere(services: Services, image_id: str) -> None:
    """Readers that have the bytes open keep them until they are done. What a store that can't be written to keeps is
    removed at the next start, since no image has it any more."""
    for name, store in stores_of(services).items():
        try:
            store.remove(image_id)
        except OSError as err:
            log.event(logger, "image.not_removed", logging.ERROR, image_id=image_id, store=name, reason=str(err))
