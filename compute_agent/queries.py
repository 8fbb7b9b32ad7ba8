"""Answers the few questions the API asks while a client waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.errors import CloudError, HypervisorError, NotFound
from common.ids import is_uuid
from common.rpc import queries_v1
from common.rpc.compute_v1 import DomainDigest
from common.rpc.queries_v1 import (
    Answer,
    CachedImages,
    ConsoleBoot,
    ConsoleLog,
    Diagnostics,
    Domains,
    DropImages,
    FetchImage,
    InjectNmi,
    OpenConsole,
    SetPassword,
    UnmanagedFiles,
)
from common.vault import Seal
from compute_agent.console import log as console_log
from compute_agent.console.sessions import Consoles
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.storage.base import Storage
from compute_agent.volumes.base import VolumeStore
from compute_agent.volumes.unmanaged import Kind


class Queries:
    """lives: whether an instance is on this node. log_path: where its serial log is. max_log_kib bounds an answer.

    digest: all domains, and whether that is all of them.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        *,
        lives: Callable[[str], bool],
        log_path: Callable[[str], Path],
        digest: Callable[[], tuple[list[DomainDigest], bool]],
        max_log_kib: int,
        consoles: Consoles,
        storage: Storage,
        volumes: VolumeStore,
        seal: Seal,
    ) -> None:
        self._hypervisor = hypervisor
        self._lives = lives
        self._log_path = log_path
        self._digest = digest
        self._max_log_kib = max_log_kib
        self._consoles = consoles
        self._storage = storage
        self._volumes = volumes
        self._seal = seal

    def answer(self, body: bytes) -> Answer:
        """Raises msgspec.ValidationError or msgspec.DecodeError for what is no question; anything else is an answer."""
        query = queries_v1.decode_query(body)
        try:
            match query:
                case Domains():
                    return self._domains()
                case CachedImages():
                    return Answer(images=self._storage.images())
                case FetchImage():
                    self._storage.want_image(query.image)
                    return Answer()
                case DropImages():
                    self._storage.drop_images(query.sha512s, cached=query.cached, queued=query.queued)
                    return Answer()
                case UnmanagedFiles():
                    kind = Kind.SNAPSHOTS if query.snapshots else Kind.VOLUMES
                    return Answer(files=self._volumes.unmanaged.list_all(kind))
            return self._find(query)
        except CloudError as err:
            return Answer(error_code=err.code, message=err.message)
        except OSError:
            return Answer(error_code="storage_error", message="the node's files can't be read")

    def _find(self, query: ConsoleLog | Diagnostics | ConsoleBoot | OpenConsole | SetPassword | InjectNmi) -> Answer:
        if not is_uuid(query.instance_id) or not self._lives(query.instance_id):
            raise NotFound(f"server {query.instance_id[:64]!r} is not on this node")
        match query:
            case ConsoleLog():  # without the hypervisor: it is asked for most when that hangs
                path = self._log_path(query.instance_id)
                return Answer(text=console_log.tail(path, query.length, max_kib=self._max_log_kib))
            case Diagnostics():
                if self._hypervisor.state(query.instance_id) is None:
                    raise NotFound(f"server {query.instance_id} has no guest on this node")
                return Answer(data=self._hypervisor.diagnostics(query.instance_id))
            case ConsoleBoot():
                return Answer(text=self._hypervisor.boot_id(query.instance_id))
            case OpenConsole():
                self._consoles.open(query)
                return Answer()
            case SetPassword():
                self._hypervisor.set_password(
                    query.instance_id, query.user, self._seal.open(query.sealed_password).reveal()
                )
                return Answer()
            case InjectNmi():
                self._hypervisor.inject_nmi(query.instance_id)
                return Answer()

    def _domains(self) -> Answer:
        domains, complete = self._digest()
        if not complete:
            raise HypervisorError("the node's domains can't be listed")
        return Answer(domains=domains)
