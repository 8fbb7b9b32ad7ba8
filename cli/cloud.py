"""The command line's way to a cloud: clouds.yaml, OS_* variables and --os-* options, then one small client.

Everything slow is imported when it is used, so that `cumulet --help` and `cumulet check` stay quick.
"""

from __future__ import annotations

import argparse
from typing import Any

OPTIONS = (
    ("cloud", "name of the cloud in clouds.yaml"),
    ("auth-url", "identity endpoint, such as http://127.0.0.1:8780/identity/v3"),
    ("auth-type", "keystoneauth plugin (default: password)"),
    ("username", "user name"),
    ("user-id", "user id"),
    ("password", "password; better in OS_PASSWORD or clouds.yaml"),
    ("token", "a token that you have already"),
    ("project-name", "project name"),
    ("project-id", "project id"),
    ("user-domain-name", "domain of the user"),
    ("project-domain-name", "domain of the project"),
    ("region-name", "region"),
    ("interface", "public, internal or admin"),
    ("cacert", "file of certificates to trust"),
)


class CloudRefusedError(Exception):
    """The cloud answered with an error; its message is for the person at the keyboard."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The --os-* options, named as other OpenStack clients name them."""
    group = parser.add_argument_group("Cloud", "Defaults come from clouds.yaml and from OS_* variables.")
    for name, help_text in OPTIONS:
        group.add_argument(f"--os-{name}", metavar=f"<{name}>", dest=f"os_{name.replace('-', '_')}", help=help_text)


class Cloud:
    """A session of one service catalogue; logs in with the first request."""

    def __init__(self, options: argparse.Namespace) -> None:
        from openstack.config import OpenStackConfig

        given = {
            name.removeprefix("os_"): value
            for name, value in vars(options).items()
            if name.startswith("os_") and value is not None
        }
        region = OpenStackConfig(load_envvars=True).get_one(
            cloud=given.pop("cloud", None), argparse=argparse.Namespace(**{f"os_{k}": v for k, v in given.items()})
        )
        self._session = region.get_session()
        self._interface = region.get_interface("cumulet") or "public"
        self._region = region.get_region_name("cumulet")

    def get(self, path: str, service_type: str = "cumulet", **query: Any) -> dict[str, Any]:
        """The JSON answer. Raises CloudRefusedError with the service's own message."""
        params = {name: value for name, value in query.items() if value is not None}
        return self._request("GET", path, service_type, params=params)

    def post(self, path: str, body: dict[str, Any], service_type: str = "cumulet") -> dict[str, Any]:
        """The JSON answer. Raises CloudRefusedError with the service's own message."""
        return self._request("POST", path, service_type, json=body)

    def _request(self, method: str, path: str, service_type: str, **options: Any) -> dict[str, Any]:
        from keystoneauth1.adapter import Adapter
        from keystoneauth1.exceptions import ClientException

        adapter = Adapter(
            self._session,
            service_type=service_type,
            interface=self._interface,
            region_name=self._region,
            user_agent="cumulet",
        )
        try:
            response = adapter.request(
                path, method, headers={"Accept": "application/json"}, raise_exc=False, log=False, **options
            )
        except ClientException as err:
            raise CloudRefusedError(str(err)) from err
        body = response.json() if "json" in response.headers.get("Content-Type", "") else {}
        if response.status_code >= 400:
            error: Any = next(iter(body.values()), {}) if isinstance(body, dict) else {}
            message = error.get("message") if isinstance(error, dict) else None
            raise CloudRefusedError(f"{message or response.reason} (HTTP {response.status_code})")
        return dict(body)

    def server_id(self, name_or_id: str) -> str:
        """The id of the one server with this name or id. Raises CloudRefusedError when there is none, or several."""
        from common.ids import is_uuid

        if is_uuid(name_or_id):
            return name_or_id
        found = self.get("/servers", service_type="compute", name=name_or_id)["servers"]
        ids = [server["id"] for server in found if server["name"] == name_or_id]
        if len(ids) != 1:
            raise CloudRefusedError(
                f"There is no server named {name_or_id!r}."
                if not ids
                else f"{len(ids)} servers are named {name_or_id!r}; use the id of one: {', '.join(ids)}"
            )
        return str(ids[0])
