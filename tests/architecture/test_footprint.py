"""What a service has loaded once it is started, before anybody asks it for anything: each of these costs megabytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
#: for all: what only the command line, the tests or one request in a thousand need
_NEVER = {"alembic", "boto3", "botocore", "cliff", "openstack", "pytest", "requests", "websockets"}


@pytest.mark.parametrize(
    ("service", "does_without"),
    [
        ("api.main", {"compute_agent", "cryptography.x509", "libvirt", "pyroute2", "scheduler"}),
        (
            "scheduler.main",
            {"api", "argon2", "compute_agent", "cryptography", "flask", "jsonschema", "libvirt", "werkzeug"},
        ),
        ("compute_agent.main", {"api", "cryptography", "flask", "libvirt", "psycopg", "scheduler", "sqlalchemy"}),
    ],
)
def test_a_service_loads_only_what_it_needs(service: str, does_without: set[str]) -> None:
    script = f"import {service}, json, sys; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], cwd=TOP, check=True, capture_output=True, text=True).stdout
    assert f'"{service}"' in told
    assert {name for name in does_without | _NEVER if f'"{name}"' in told} == set()
