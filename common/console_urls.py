"""Where consoles are served: for browsers, and for nodes."""

from __future__ import annotations

from urllib.parse import urlsplit

from common.config import Config


def for_browsers(config: Config) -> str:
    """Scheme, host and port, without a slash behind; also the origin of our own page."""
    return (config.console.public_url or _beside_api(config)).rstrip("/")


def for_nodes(config: Config) -> str:
    return (config.console.node_url or _beside_api(config)).rstrip("/")


def as_websocket(url: str) -> str:
    """The same place by the scheme of websockets: http becomes ws, https wss."""
    return "ws" + url.removeprefix("http")


def origins(config: Config) -> frozenset[str]:
    """Of the pages that may open consoles."""
    more = [each.strip().rstrip("/") for each in config.console.allowed_origins.split(",") if each.strip()]
    parts = urlsplit(for_browsers(config))
    return frozenset([f"{parts.scheme}://{parts.netloc}", *more])


def _beside_api(config: Config) -> str:
    api = urlsplit(config.api.public_url)
    host = f"[{api.hostname}]" if ":" in (api.hostname or "") else api.hostname
    return f"{api.scheme}://{host}:{config.console.port}"
