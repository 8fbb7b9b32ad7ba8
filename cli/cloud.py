"""The command line's way to a cloud: one session, one token, plain HTTP calls.

Everything slow is imported when it is used, so that `cumulet --help` and `cumulet check` stay quick.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from cli.errors import CloudRefusedError
from common.deadlines import CLI_REQUEST_S

__all__ = ["Cloud", "CloudRefusedError", "add_options", "part"]

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
    ("user-domain-id", "domain of the user, by id"),
    ("project-domain-name", "domain of the project"),
    ("project-domain-id", "domain of the project, by id"),
    ("domain-name", "domain to work in instead of a project"),
    ("domain-id", "domain to work in, by id"),
    ("system-scope", "`all`: work on the system instead of a project"),
    ("default-domain", "domain where none is named (default: default)"),
    ("region-name", "region"),
    ("interface", "public, internal or admin"),
    ("cacert", "file of certificates to trust"),
    ("cert", "file of a client certificate"),
    ("key", "file of its key"),
    ("compute-api-version", "compute microversion (default: 2.100)"),
    ("volume-api-version", "block storage microversion (default: 3.71)"),
)
#: what a catalogue's address lacks where it stops before the version
_VERSIONS = {"identity": "/v3", "compute": "/v2.1", "image": "/v2", "network": "/v2.0"}
_TAGS = re.compile(r"<[^>]+>")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The --os-* options, named as other OpenStack clients name them."""
    group = parser.add_argument_group("Cloud", "Defaults come from OS_* variables, then from clouds.yaml.")
    for name, help_text in OPTIONS:
        group.add_argument(f"--os-{name}", metavar=f"<{name}>", dest=f"os_{name.replace('-', '_')}", help=help_text)
    checked = group.add_mutually_exclusive_group()
    checked.add_argument(
        "--insecure", dest="os_insecure", action="store_const", const="true", help="trust any certificate"
    )
    checked.add_argument("--verify", dest="os_insecure", action="store_const", const="false", help="check certificates")


def part(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


class Cloud:
    """A session of one service catalogue; logs in with the first request unless a kept token still holds."""

    def __init__(self, options: argparse.Namespace) -> None:
        from cli import settings

        given = {name.removeprefix("os_"): value for name, value in vars(options).items() if name.startswith("os_")}
        self.settings = settings.load({name: value for name, value in given.items() if value is not None})
        self._session: Any = None
        self._cache: Any = None
        self._kept: Any = None

    # Requests

    def get(self, path: str, service_type: str = "cumulet", **query: Any) -> dict[str, Any]:
        """The JSON answer. Raises CloudRefusedError with the service's own message."""
        return self.send("GET", path, service_type=service_type, **query)

    def post(self, path: str, body: dict[str, Any], service_type: str = "cumulet") -> dict[str, Any]:
        """The JSON answer, which no log shows: it may hold a secret. Raises CloudRefusedError."""
        return dict(self.raw("POST", path, service_type=service_type, json=body, log=False).json())

    def send(
        self, method: str, path: str, body: Any = None, *, service_type: str = "cumulet", **query: Any
    ) -> dict[str, Any]:
        """A request with a JSON body or none; the JSON answer, {} for none. Raises CloudRefusedError."""
        response = self.raw(method, path, service_type=service_type, json=body, params=query)
        decoded = response.json() if response.content and "json" in response.headers.get("Content-Type", "") else {}
        return dict(decoded) if isinstance(decoded, dict) else {"list": decoded}

    def raw(
        self, method: str, path: str, *, service_type: str, params: dict[str, Any] | None = None, **more: Any
    ) -> Any:
        """The response itself, of a status below 400. more: keystoneauth's, such as data, headers, stream."""
        from keystoneauth1.exceptions import ClientException

        headers = {"Accept": "application/json", **more.pop("headers", {})}
        if service_type == "compute":
            version = self.settings.compute_version
            headers = {
                "OpenStack-API-Version": f"compute {version}",
                "X-OpenStack-Nova-API-Version": version,
                **headers,
            }
        if service_type == "block-storage":
            headers = {"OpenStack-API-Version": f"volume {self.settings.volume_version}", **headers}
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            response = self.session.request(
                self.url(path, service_type), method, params=wanted, headers=headers, raise_exc=False,
                user_agent="cumulet", **{name: value for name, value in more.items() if value is not None},
            )  # fmt: skip
        except ClientException as err:
            raise self._unreachable(err) from err
        finally:
            self._keep_token()
        if response.status_code >= 400:
            raise _refusal(response)
        return response

    def pages(
        self,
        path: str,
        key: str,
        service_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_items: int | None = None,
        **query: Any,
    ) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page; `limit` in the query without max_items: one page is wanted."""
        yield from islice(self._all_pages(path, key, service_type, headers, max_items is None, query), max_items)

    def _all_pages(
        self,
        path: str,
        key: str,
        service_type: str,
        headers: Mapping[str, str] | None,
        one_of_limit: bool,
        query: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:

        def asked(**more: Any) -> dict[str, Any]:
            return dict(self.raw("GET", path, service_type=service_type, params=more, headers=headers or {}).json())

        page = asked(**query)
        yield from page.get(key, ())
        while not one_of_limit or query.get("limit") is None:
            following = _next_page(page, key)
            if not following or not page.get(key):
                return
            page = asked(**{**query, **dict(parse_qsl(urlsplit(following).query))})
            yield from page.get(key, ())

    def url(self, path: str, service_type: str) -> str:
        """Raises CloudRefusedError when the catalogue has no such service."""
        from keystoneauth1.exceptions import ClientException, EndpointNotFound

        try:
            found = self.session.get_endpoint(
                service_type=service_type, interface=self.settings.interface, region_name=self.settings.region,
                skip_discovery=True,
            )  # fmt: skip
        except EndpointNotFound:
            found = None
        except ClientException as err:
            raise self._unreachable(err) from err
        if not found:
            where = f"in region {self.settings.region}" if self.settings.region else "in any region"
            raise CloudRefusedError(
                f"The catalogue has no {self.settings.interface} endpoint of service {service_type} {where}; "
                "`cumulet catalog list` shows those that there are."
            )
        version = _VERSIONS.get(service_type, "")
        base = str(found).rstrip("/")
        return base + ("" if base.endswith(version) else version) + path

    # Who we are

    @property
    def project_id(self) -> str:
        """Of the project that the token is for. Raises CloudRefusedError without one."""
        found = self.access().project_id
        if not found:
            raise CloudRefusedError("You work in no project: give --os-project-name or OS_PROJECT_NAME.")
        return str(found)

    def access(self, *, fresh: bool = False) -> Any:
        """What the token says: user, project, roles, catalogue. fresh: by a login of now, whatever is kept."""
        from keystoneauth1.exceptions import ClientException

        if fresh:
            self.session.invalidate()
        try:
            return self.session.auth.get_access(self.session)
        except ClientException as err:
            raise self._unreachable(err) from err
        finally:
            self._keep_token()

    @property
    def is_admin(self) -> bool:
        return "admin" in self.access().role_names

    @property
    def session(self) -> Any:
        if self._session is None:
            from keystoneauth1.session import Session

            from cli.token_cache import TokenCache

            plugin = _plugin(self.settings.auth_type, dict(self.settings.auth))
            if self.settings.auth_type.endswith("password"):
                self._cache = TokenCache(self.settings)
                state = self._cache.read()
                if state and _usable(state):
                    plugin.set_auth_state(state)
                    self._kept = getattr(plugin, "auth_ref", None)
            self._session = Session(
                auth=plugin, verify=self.settings.verify, cert=self.settings.cert, timeout=CLI_REQUEST_S
            )
        return self._session

    def _keep_token(self) -> None:
        """After a login of ours, and away with one that was refused."""
        if self._cache is None:
            return
        now = getattr(self._session.auth, "auth_ref", None)
        if now is self._kept:
            return
        self._kept = now
        state = self._session.auth.get_auth_state() if now is not None else None
        self._cache.write(state) if state else self._cache.drop()

    def _unreachable(self, err: Exception) -> CloudRefusedError:
        from keystoneauth1 import exceptions

        at = self.settings.auth["auth_url"]
        if isinstance(err, exceptions.Unauthorized):
            who = self.settings.auth.get("username") or self.settings.auth.get("user_id") or "the user"
            return CloudRefusedError(
                f"{at} did not accept the login of {who}: check user, password, project and domains. (HTTP 401)", 401
            )
        if isinstance(err, exceptions.SSLError):
            return CloudRefusedError(f"{err}; name the authority's file with --os-cacert.")
        if isinstance(err, exceptions.ConnectFailure | exceptions.UnknownConnectionError):
            return CloudRefusedError(f"The cloud can't be reached: {err}. Is it up, and is its address right ({at})?")
        return CloudRefusedError(str(err), int(getattr(err, "http_status", 0) or 0))


def _plugin(auth_type: str, auth: dict[str, str]) -> Any:
    """keystoneauth's plugin. The two that nearly everybody uses are made without looking through installed packages."""
    from keystoneauth1.exceptions import ClientException

    versioned = auth["auth_url"].rstrip("/").endswith("/v3")
    try:
        if auth_type in ("password", "v3password") and versioned:
            from keystoneauth1.identity.v3 import Password

            return Password(**auth)
        if auth_type in ("token", "v3token") and versioned:
            from keystoneauth1.identity.v3 import Token

            return Token(**{name: value for name, value in auth.items() if not name.startswith("user")})
        from keystoneauth1.loading import get_plugin_loader

        loader = get_plugin_loader(auth_type)
        known = {option.dest for option in loader.get_options()}
        return loader.load_from_options(**{name: value for name, value in auth.items() if name in known})
    except (ClientException, TypeError) as err:
        raise CloudRefusedError(f"Authentication type {auth_type} can't be used as given: {err}") from err


def _usable(state: str) -> bool:
    """Whether it has the form of what we write; a damaged file is as none."""
    try:
        data = json.loads(state)
        return bool(data["auth_token"]) and "token" in data["body"]
    except (ValueError, KeyError, TypeError):
        return False


def _next_page(page: dict[str, Any], key: str) -> str:
    """The link to the next page in the forms of the services: compute and network, image, identity."""
    links = page.get(f"{key}_links")
    if isinstance(links, list):
        return next((str(link["href"]) for link in links if link.get("rel") == "next"), "")
    others = page.get("links")
    if isinstance(others, dict):
        return str(others.get("next") or "")
    if isinstance(others, list):
        return next((str(link["href"]) for link in others if link.get("rel") == "next"), "")
    return str(page.get("next") or "")


def _refusal(response: Any) -> CloudRefusedError:
    message = _message(response) or response.reason or "no reason given"
    request_id = response.headers.get("x-openstack-request-id", "")
    more = f", {request_id}" if request_id and response.status_code >= 500 else ""
    return CloudRefusedError(f"{message} (HTTP {response.status_code}{more})", response.status_code)


def _message(response: Any) -> str:
    """The service's own words, in whatever form it puts them."""
    try:
        body = response.json()
    except ValueError:
        return " ".join(_TAGS.sub(" ", response.text).split())[:500]
    if not isinstance(body, dict):
        return ""
    inner = next((value for value in body.values() if isinstance(value, dict) and "message" in value), body)
    return str(inner.get("message") or inner.get("title") or "").strip()
