"""clouds.yaml, OS_* and options: the same cloud as the SDK's own reader finds, which `openstack` uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from openstack.config import OpenStackConfig

from cli import settings
from cli.settings import SettingsError

CLOUDS = """
clouds:
  one:
    auth: {auth_url: http://one/v3, username: u, project_name: p, user_domain_name: Default, project_domain_name: Default}
    region_name: R1
    interface: internal
    cacert: /ca.pem
  two:
    auth: {auth_url: http://two/v3, username: u, password: q, tenant_name: p, domain_id: default}
    regions: [R2, R3]
    verify: false
"""
SECURE = "clouds:\n  one:\n    auth: {password: hidden}\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    (tmp_path / "secure.yaml").write_text(SECURE)
    found = {
        "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
        "OS_CLIENT_SECURE_FILE": str(tmp_path / "secure.yaml"),
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.mark.parametrize("cloud", ["one", "two"])
def test_the_same_as_the_sdk(files: dict[str, str], cloud: str) -> None:
    ours = settings.load({"cloud": cloud}, files)
    theirs = OpenStackConfig(load_envvars=True).get_one(cloud=cloud, region_name=ours.region, validate=False)
    auth = {name: value for name, value in theirs.config["auth"].items() if value is not None}
    assert dict(ours.auth) == auth
    assert ours.interface == theirs.get_interface()
    assert ours.region == theirs.config["region_name"]
    assert ours.verify == theirs.get_requests_verify_args()[0]


def test_variables_come_before_the_file_and_options_before_both(files: dict[str, str]) -> None:
    env = {**files, "OS_CLOUD": "one", "OS_PROJECT_NAME": "of-env", "OS_REGION_NAME": "of-env"}
    found = settings.load({"region_name": "of-option"}, env)
    assert (found.auth["project_name"], found.region, found.auth["password"]) == ("of-env", "of-option", "hidden")


def test_variables_alone_and_the_default_domain(files: dict[str, str]) -> None:
    env = {**files, "OS_AUTH_URL": "http://env/v3", "OS_USERNAME": "u", "OS_PASSWORD": "q", "OS_PROJECT_NAME": "p"}
    found = settings.load({}, env)
    assert found.auth["auth_url"] == "http://env/v3"
    assert found.auth["user_domain_id"] == found.auth["project_domain_id"] == "default"


def test_insecure_turns_checking_off(files: dict[str, str]) -> None:
    assert settings.load({"cloud": "one"}, files).verify == "/ca.pem"
    assert settings.load({"cloud": "one", "insecure": "true"}, files).verify is False


@pytest.mark.parametrize(("options", "said"), [({}, "there are one, two"), ({"cloud": "x"}, "no cloud 'x'")])
def test_what_is_missing_is_told(files: dict[str, str], options: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings.load(options, files)


def test_a_damaged_file_is_named(files: dict[str, str]) -> None:
    Path(files["OS_CLIENT_CONFIG_FILE"]).write_text("clouds: [")
    with pytest.raises(SettingsError, match="can't be read"):
        settings.load({"cloud": "one"}, files)
