"""Files that a server is made or rebuilt with (personality, until 2.56). They are on its config drive, so that it gets one.

The drive's meta_data.json names them, and whatever reads config drives in the guest writes them: cloud-init does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import Forbidden, InvalidRequest

#: Nova's limits by default; the API's limits and quota sets tell them
MOST_FILES, MOST_PATH_BYTES, MOST_CONTENT_BYTES = 5, 255, 10240


def read(personality: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Checked, as the instance keeps them. Raises InvalidRequest, Forbidden beyond the limits."""
    if len(personality) > MOST_FILES:
        raise Forbidden(f"Quota exceeded, too many injected files: at most {MOST_FILES}.")
    return [_read(each) for each in personality]


def _read(file: Mapping[str, Any]) -> dict[str, str]:
    path, text = file["path"], "".join(file["contents"].split())
    if len(path.encode()) > MOST_PATH_BYTES:
        raise Forbidden(f"Quota exceeded, injected file path too long: at most {MOST_PATH_BYTES} bytes.")
    try:
        contents = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise InvalidRequest(f"Personality content for {path[:80]} cannot be decoded: it is not base64.") from err
    if len(contents) > MOST_CONTENT_BYTES:
        raise Forbidden(f"Quota exceeded, injected file content too long: at most {MOST_CONTENT_BYTES} bytes.")
    return {"path": path, "contents": text}
