"""What --debug prints of requests, without passwords, keys and tokens. keystoneauth hides only the token's header."""

from __future__ import annotations

import logging
import re

_NAMES = r"password|original_password|adminPass|private_key|user_data|secret|passcode|token"
_IN_JSON = re.compile(rf'(\\?"(?:{_NAMES})\\?"\s*:\s*\\?")(?:[^"\\]|\\.)*?(\\?")')
_IN_HEADER = re.compile(
    r"((?:X-Auth-Token|X-Subject-Token|Authorization)['\"]?\s*[:=]\s*)(?!\{SHA256\})[^\s'\"]+", re.IGNORECASE
)
_FERNET = re.compile(r"gAAAA[A-Za-z0-9_=-]{20,}")


def hide(record: logging.LogRecord) -> bool:
    """A filter for logging's handlers: changes the message, lets every record pass."""
    text = record.getMessage()
    clean = _FERNET.sub("***", _IN_HEADER.sub(r"\1***", _IN_JSON.sub(r"\1***\2", text)))
    if clean != text:
        record.msg, record.args = clean, ()
    return True
