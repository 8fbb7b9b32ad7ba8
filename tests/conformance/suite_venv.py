"""The virtual environment that tempest and its plugins live in: what setup.cfg's extra `conformance` names, alone.

Apart from the services' own, since the suite pins older versions of much that they use.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.conformance.results import TOP

_INSTALL_S = 900.0


def folder() -> Path:
    """CUMULET_CONFORMANCE_VENV, else one that is kept between runs."""
    named = os.environ.get("CUMULET_CONFORMANCE_VENV")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "cumulet/tempest"


def requirements() -> list[str]:
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    lines = config["options.extras_require"]["conformance"].splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def is_ready() -> bool:
    """Whether it holds just what setup.cfg says now."""
    stamp = folder() / ".requirements"
    return stamp.is_file() and stamp.read_text() == _wanted()


def ensure() -> Path:
    """Make it or bring it up to date. Raises subprocess.CalledProcessError when pip can't."""
    venv = folder()
    if is_ready():
        return venv
    if not (venv / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=_INSTALL_S)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements()], check=True, timeout=_INSTALL_S)
    (venv / ".requirements").write_text(_wanted())
    return venv


def _wanted() -> str:
    return hashlib.sha256("\n".join(requirements()).encode()).hexdigest()
