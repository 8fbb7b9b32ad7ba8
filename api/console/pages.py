"""What the console service answers to plain GETs: our page, noVNC's core, and health. Nothing of the request is logged."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

PAGE = "/vnc_lite.html"
_OURS = {PAGE: ("vnc_lite.html", "text/html; charset=utf-8"), "/console.js": ("console.js", "text/javascript"),
         "/console.css": ("console.css", "text/css")}  # fmt: skip
_FOLDERS = ("core", "vendor")
_HEADERS = {
    # images are what the screen is made of; the page talks to its own origin only
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the token is in the page's address (CON-06)
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Page:
    status: int
    content_type: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {**_HEADERS, "Content-Type": self.content_type, "Content-Length": str(len(self.body))}


def find(path: str, novnc: Path) -> Page:
    """The page at a path without its query; never a redirect (CON-05)."""
    if path == "/healthz":
        return Page(200, "application/json", b'{"status": "ok"}')
    if path in _OURS:
        name, content_type = _OURS[path]
        return Page(200, content_type, (resources.files("api.console") / "static" / name).read_bytes())
    file = _of_novnc(path, novnc)
    if file is None:
        return Page(404, "text/plain; charset=utf-8", b"There is no such page.\n")
    return Page(200, "text/javascript", file.read_bytes())


def _of_novnc(path: str, novnc: Path) -> Path | None:
    """A script of noVNC's core or of what it needs, below its folder and nowhere else."""
    parts = PurePosixPath(path).parts[1:]
    if not parts or parts[0] not in _FOLDERS or not path.endswith(".js") or any(p.startswith(".") for p in parts):
        return None
    try:
        file = novnc.joinpath(*parts).resolve(strict=True)
        root = novnc.resolve(strict=True)
    except (OSError, ValueError):
        return None
    return file if file.is_relative_to(root) and file.is_file() else None
