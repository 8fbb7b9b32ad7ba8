"""Which cloud, and as whom: command-line options, then OS_* variables, then clouds.yaml with secure.yaml.

The rules are those of os-client-config, read here in a few lines because importing the SDK takes longer than most
commands. tests/unit/cli/test_settings.py compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SELECTORS = {"OS_CLOUD", "OS_REGION_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLOUD_NAME"}
#: names of what goes to the authentication plugin; everything else is about the session
#: the compute microversion unless another is asked for: the newest that openstack's own client speaks. From 2.102 on
#: flavors lack fields that it shows.
NEWEST_KNOWN = "2.100"
#: the same of block storage
NEWEST_VOLUME = "3.71"
AUTH_KEYS = (
    "auth_url", "username", "user_id", "password", "token", "passcode", "project_name", "project_id", "user_domain_name",
    "user_domain_id", "project_domain_name", "project_domain_id", "domain_name", "domain_id", "system_scope", "trust_id",
    "application_credential_id", "application_credential_name", "application_credential_secret",
)  # fmt: skip
OTHER_KEYS = (
    "auth_type", "region_name", "interface", "cacert", "cert", "key", "verify", "insecure", "compute_api_version",
    "volume_api_version", "default_domain",
)  # fmt: skip
_OLD_NAMES = {
    "tenant_name": "project_name",
    "tenant_id": "project_id",
    "user_name": "username",
    "endpoint_type": "interface",
}
_SUFFIXES = (".yaml", ".yml", ".json")


class SettingsError(Exception):
    """No usable cloud was named; the message says what to give."""


@dataclass(frozen=True)
class Settings:
    """auth goes to the plugin as it is. verify: True, False or a file of certificates. cert: client certificate."""

    auth_type: str
    auth: Mapping[str, str]
    region: str | None
    interface: str
    verify: bool | str
    cert: str | tuple[str, str] | None
    compute_version: str
    volume_version: str


def load(options: Mapping[str, str], env: Mapping[str, str] = os.environ) -> Settings:
    """options: without the leading os_, such as {"cloud": "lab"}. Raises SettingsError."""
    files = _read_first("clouds", env.get("OS_CLIENT_CONFIG_FILE"))
    clouds: dict[str, Any] = dict(files.get("clouds") or {})
    if clouds:
        secrets = _read_first("secure", env.get("OS_CLIENT_SECURE_FILE"))
        clouds = _merge(
            clouds, {name: value for name, value in (secrets.get("clouds") or {}).items() if name in clouds}
        )
    variables = {_plain(name[3:]): value for name, value in env.items() if name.startswith("OS_") and value}
    given = {_plain(name): value for name, value in options.items() if value not in (None, "")}
    own_variables = {name for name in env if name.startswith("OS_")} - SELECTORS
    chosen = options.get("cloud") or env.get("OS_CLOUD")
    if not chosen and not own_variables and not {"auth_url"} & set(given):
        if len(clouds) != 1:
            raise SettingsError(_nothing_chosen(clouds))
        chosen = next(iter(clouds))
    cloud: dict[str, Any] = {}
    if chosen and chosen != env.get("OS_CLOUD_NAME", "envvars"):
        if chosen not in clouds:
            known = f"there are {', '.join(sorted(clouds))}" if clouds else "no clouds.yaml was found"
            raise SettingsError(f"There is no cloud {chosen!r}: {known}. Name one with --os-cloud or OS_CLOUD.")
        cloud = _with_profile(clouds[chosen])
    flat = _flatten(cloud) | _known(variables) | _known(given)
    return _settings(flat)


def _settings(flat: dict[str, Any]) -> Settings:
    auth = {name: str(flat[name]) for name in AUTH_KEYS if flat.get(name) not in (None, "")}
    if "auth_url" not in auth:
        raise SettingsError("No auth_url: give --os-auth-url or OS_AUTH_URL, or choose a cloud with --os-cloud NAME.")
    auth_type = str(flat.get("auth_type") or ("token" if "token" in auth and "password" not in auth else "password"))
    _complete_domains(auth, auth_type, str(flat.get("default_domain") or "default"))
    verify: bool | str = not _true(flat.get("insecure")) and _true(flat.get("verify"), default=True)
    if verify and flat.get("cacert"):
        verify = os.path.expanduser(str(flat["cacert"]))
    cert: str | tuple[str, str] | None = os.path.expanduser(str(flat["cert"])) if flat.get("cert") else None
    if cert and flat.get("key"):
        cert = (str(cert), os.path.expanduser(str(flat["key"])))
    version = str(flat.get("compute_api_version") or NEWEST_KNOWN)
    volume_version = str(flat.get("volume_api_version") or NEWEST_VOLUME)
    return Settings(
        auth_type=auth_type,
        auth=auth,
        region=flat.get("region_name"),
        interface=str(flat.get("interface") or "public").removesuffix("URL"),
        verify=verify,
        cert=cert,
        compute_version="latest" if version in ("2", "2.latest") else version,
        volume_version=NEWEST_VOLUME if volume_version in ("3", "3.latest") else volume_version,
    )


def _complete_domains(auth: dict[str, str], auth_type: str, default: str) -> None:
    """A domain given once is meant for user and project alike; without one it is the default domain, as for openstack."""
    scoped = "project_name" in auth or "project_id" in auth
    for form in ("domain_id", "domain_name"):
        if scoped and form in auth:
            value = auth.pop(form)
            for what in ("user_", "project_"):
                auth.setdefault(what + form, value)
    if not auth_type.endswith("password"):
        return
    if "username" in auth and not {"user_domain_id", "user_domain_name"} & set(auth):
        auth["user_domain_id"] = default
    if "project_name" in auth and not {"project_domain_id", "project_domain_name"} & set(auth):
        auth["project_domain_id"] = default


def _flatten(cloud: Mapping[str, Any]) -> dict[str, Any]:
    """One level: a region's own values, then what is under `auth`, over the rest."""
    plain = {_plain(name): value for name, value in cloud.items()}
    regions = plain.pop("regions", None) or []
    if regions and not plain.get("region_name"):
        first = regions[0]
        plain |= (
            {"region_name": first}
            if isinstance(first, str)
            else {"region_name": first["name"], **first.get("values", {})}
        )
    auth = {_plain(name): value for name, value in (plain.pop("auth", None) or {}).items()}
    return {**plain, **auth}


def _with_profile(cloud: Mapping[str, Any]) -> dict[str, Any]:
    """With the vendor's settings of clouds-public.yaml below its own."""
    name = cloud.get("profile") or cloud.get("cloud")
    vendors = _read_first("clouds-public", None).get("public-clouds") or {} if name else {}
    return _merge(dict(vendors.get(name, {})), dict(cloud))


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in AUTH_KEYS or name in OTHER_KEYS}


def _plain(name: str) -> str:
    text = name.lower().replace("-", "_")
    return _OLD_NAMES.get(text, text)


def _true(value: Any, *, default: bool = False) -> bool:
    if value is None or value == "":
        return default
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes", "on")


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(dict(merged[name]), value) if both else value
    return merged


def folders() -> list[Path]:
    """Where the files are looked for, in order."""
    home = Path(os.path.expanduser("~"))
    personal = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "openstack"
    shared = [Path(part) / "openstack" for part in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    return [Path.cwd(), personal, home / ".config/openstack", *shared, Path("/etc/openstack")]


def _read_first(stem: str, override: str | None) -> dict[str, Any]:
    """The first file there is; {} for none."""
    candidates = [Path(override)] if override else []
    candidates += [folder / f"{stem}{suffix}" for folder in folders() for suffix in _SUFFIXES]
    for path in candidates:
        if path.is_file():
            return _read(path)
    return {}


def _read(path: Path) -> dict[str, Any]:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(path.read_text(), Loader=loader)  # noqa: S506 - a safe loader, the quick one
    except (OSError, yaml.YAMLError) as err:
        raise SettingsError(f"{path} can't be read: {err}") from err
    if found is not None and not isinstance(found, dict):
        raise SettingsError(f"{path} is no mapping; see the form of clouds.yaml in docs/cli.md.")
    return found or {}


def _nothing_chosen(clouds: Mapping[str, Any]) -> str:
    if clouds:
        return f"Which cloud? Name one with --os-cloud or OS_CLOUD; there are {', '.join(sorted(clouds))}."
    return (
        "Which cloud? There is no clouds.yaml in the working folder, ~/.config/openstack or /etc/openstack, and no "
        "OS_AUTH_URL: source an openrc file, or name a file in OS_CLIENT_CONFIG_FILE."
    )
