"""Calls of the block storage API that state the answer they expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fixtures.api import ApiClient

ROOT = "/volume/v3"
NEWEST = "3.71"


@dataclass(frozen=True)
class Caller:
    """Every call names the status it expects and gives the decoded body; `at` is the microversion."""

    api: ApiClient

    def get(self, path: str, as_: str = "demo", expect: int = 200, at: str = NEWEST, **options: Any) -> Any:
        return self.call("GET", path, as_, expect, at, **options)

    def post(self, path: str, body: Any, as_: str = "demo", expect: int = 202, at: str = NEWEST) -> Any:
        return self.call("POST", path, as_, expect, at, json=body)

    def put(self, path: str, body: Any, as_: str = "demo", expect: int = 200, at: str = NEWEST) -> Any:
        return self.call("PUT", path, as_, expect, at, json=body)

    def delete(self, path: str, as_: str = "demo", expect: int = 202, at: str = NEWEST, **options: Any) -> Any:
        return self.call("DELETE", path, as_, expect, at, **options)

    def call(self, method: str, path: str, as_: str, expect: int, at: str, **options: Any) -> Any:
        headers = {"OpenStack-API-Version": f"volume {at}"}
        answer = self.api.request(method, ROOT + path, as_, headers=headers, **options)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.get_json(silent=True) if answer.data else None

    def volume_type(self, name: str = "fast", as_: str = "admin", **attributes: Any) -> dict[str, Any]:
        body = {"volume_type": {"name": name, **attributes}}
        made: dict[str, Any] = self.post("/types", body, as_, 200)["volume_type"]
        return made

    def group_type(self, name: str = "kind", **attributes: Any) -> str:
        return str(self.post("/group_types", {"group_type": {"name": name, **attributes}}, "admin")["group_type"]["id"])

    def volume(self, as_: str = "demo", **attributes: Any) -> str:
        """Its id; nothing is done yet."""
        return str(self.post("/volumes", {"volume": {"size": 1, **attributes}}, as_)["volume"]["id"])
