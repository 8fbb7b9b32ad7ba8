"""Backups in a folder: a folder for each, readable by root only. Any mount will do; one that all nodes see is best."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.errors import StorageError
from compute_agent import durable
from compute_agent.backups.base import check_names


class BackupDirectory:
    """Implements base.BackupStore."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, location: str, name: str, data: bytes) -> None:
        check_names(location, name)
        try:
            folder = self._folder / location
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(folder / name, data)
        except OSError as err:
            raise StorageError(f"object {name} of backup {location} could not be written", detail=str(err)) from err

    def get(self, location: str, name: str) -> bytes:
        check_names(location, name)
        try:
            return (self._folder / location / name).read_bytes()
        except FileNotFoundError as err:
            raise StorageError(
                f"backup {location} has no object {name} in the folder of backups of this node; it was made on another"
                " node, or removed there",
                detail=str(err),
            ) from err
        except OSError as err:
            raise StorageError(f"object {name} of backup {location} could not be read", detail=str(err)) from err

    def remove(self, location: str) -> None:
        check_names(location)
        try:
            shutil.rmtree(self._folder / location)
        except FileNotFoundError:
            return
        except OSError as err:
            raise StorageError(f"backup {location} could not be removed", detail=str(err)) from err
