"""A client that costs little, so that what is measured is the service: one kept connection, JSON in and out."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import msgspec


class Client:
    """For one thread."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json", "OpenStack-API-Version": "compute 2.100"}
        if token:
            self._headers["X-Auth-Token"] = token

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer. Raises RuntimeError for an error."""
        return self.exchange(method, path, body)[0]

    def put_file(self, path: str, source: Path) -> None:
        """Raises RuntimeError for an error."""
        headers = {
            **self._headers,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(source.stat().st_size),
        }
        with source.open("rb") as file:
            self._connection.request("PUT", path, file, headers)
            response = self._connection.getresponse()
        raw = response.read()
        if response.status >= 400:
            raise RuntimeError(f"PUT {path}: {response.status} {raw[:500]!r}")

    def exchange(self, method: str, path: str, body: Any = None) -> tuple[Any, http.client.HTTPResponse]:
        data = msgspec.json.encode(body) if body is not None else None
        self._connection.request(method, path, data, self._headers)
        response = self._connection.getresponse()
        raw = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {raw[:500]!r}")
        return (msgspec.json.decode(raw) if raw else None), response

    def close(self) -> None:
        self._connection.close()


def login(port: int, user: str, password: str, project: str) -> str:
    """A token."""
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    who = {"user": {"name": user, "domain": {"id": "default"}, "password": password}}
    body = {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}
    client = Client(port)
    _, response = client.exchange("POST", "/identity/v3/auth/tokens", body)
    client.close()
    return str(response.headers["X-Subject-Token"])
