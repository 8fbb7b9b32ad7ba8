"""What an API process does for the image store beside requests: every now and then, end uploads whose process has died."""

from __future__ import annotations

import logging
import threading

from api.image.operations import uploads
from api.request import Services
from common.deadlines import IMAGE_UPLOAD_SWEEP_S

logger = logging.getLogger(__name__)


def start(services: Services) -> None:
    """A daemon thread: a sweep may end anywhere, and the next one does the rest."""
    threading.Thread(target=_run, args=(services,), name="image-upkeep", daemon=True).start()


def _run(services: Services) -> None:
    while True:
        services.clock.sleep(IMAGE_UPLOAD_SWEEP_S)
        try:
            uploads.sweep(services)
        except Exception:
            logger.exception("image.sweep_failed")
