"""Cross-origin requests: which web pages may talk to the APIs from a browser (WHATWG Fetch, "CORS protocol").

Off unless [api] cors_allowed_origins names origins. Credentials in the browser's sense (cookies, HTTP authentication)
are never allowed: callers show a token in a header of their own, so a page without a token can do no more than anyone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from common.errors import ConfigError

ANY = "*"
MAX_AGE_S = 3600
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Accept", "Content-Type", "If-Match", "If-None-Match", "OpenStack-API-Version", "Range", "X-Auth-Token",
    "X-OpenStack-Nova-API-Version", "X-OpenStack-Request-ID", "X-Subject-Token",
)  # fmt: skip
EXPOSED_HEADERS = (
    "Allow", "Content-MD5", "Content-Range", "ETag", "Link", "Location", "OpenStack-API-Version", "Retry-After",
    "WWW-Authenticate", "X-Compute-Request-Id", "X-OpenStack-Nova-API-Version", "X-OpenStack-Request-Id",
    "X-Subject-Token",
)  # fmt: skip
_ORIGIN = re.compile(r"^[a-z][a-z0-9+.-]*://[^/\s,?#@]+\Z", re.IGNORECASE)


def allowed_origins(setting: str) -> frozenset[str]:
    """The origins of [api] cors_allowed_origins, comma-separated. Raises ConfigError for what is none."""
    origins = [each.strip() for each in setting.split(",") if each.strip()]
    for origin in origins:
        if origin != ANY and not _ORIGIN.match(origin):
            raise ConfigError(
                f"[api] cors_allowed_origins: {origin!r} is no origin; write scheme, host and port as browsers do, for"
                " example https://dashboard.example.com:8443, without a path or a slash at the end, or * for any"
            )
    return frozenset(origin.lower() for origin in origins)


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what a page may do, before it sends what the page wants to send."""
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def preflight_headers(origins: frozenset[str], headers: Mapping[str, str]) -> dict[str, str]:
    """What the answer to a preflight says beside `answer_headers`; nothing to pages that may do nothing."""
    if not _granted(origins, headers) or headers.get("Access-Control-Request-Method") not in METHODS:
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }


def answer_headers(origins: frozenset[str], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What every answer says, errors too, to a request with these headers."""
    # a cache must not give one page's answer to another
    found = [("Vary", "Origin")] if origins and ANY not in origins else []
    origin = _granted(origins, headers)
    if origin:
        found.append(("Access-Control-Allow-Origin", origin))
        found.append(("Access-Control-Expose-Headers", ", ".join(EXPOSED_HEADERS)))
    return found


def _granted(origins: frozenset[str], headers: Mapping[str, str]) -> str | None:
    """What Access-Control-Allow-Origin says to this request's page; None: it may not read the answer."""
    origin = headers.get("Origin", "")
    if not origin or not origins:
        return None
    if ANY in origins:
        return ANY
    return origin if origin.lower() in origins else None
