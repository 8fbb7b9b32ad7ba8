"""Sends a file to the image service with the node's secret, in chunks: memory stays bounded however large it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from common.deadlines import IMAGE_UPLOAD_ANSWER_S
from common.errors import StorageError
from common.secret import Secret
from compute_agent import identity

_CONNECT_S = 5.0
_CHUNK_BYTES = 1024 * 1024


class Uploader:
    """ca_file: what the image service's certificate is checked with; "" for well-known authorities."""

    def __init__(self, *, node: str, secret: Secret, ca_file: str = "") -> None:
        self._node = node
        self._secret = secret
        self._verify: bool | str = ca_file or True

    def put(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        """PUT the file. `checkpoint` is called between chunks and may raise to give up. Raises StorageError."""
        import requests  # here, as in image_cache.py

        headers = {**identity.headers(self._node, self._secret), "Content-Type": "application/octet-stream"}
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy of the environment may see the secret
                answer = session.put(
                    url, data=_Chunks(path, checkpoint), headers=headers, allow_redirects=False, verify=self._verify,
                    timeout=(_CONNECT_S, IMAGE_UPLOAD_ANSWER_S),
                )  # fmt: skip
        except requests.RequestException as err:
            raise StorageError("the image could not be sent to the image service", detail=f"{url}: {err}") from err
        if not 200 <= answer.status_code < 300:  # a redirect is no success: the bytes went nowhere
            raise StorageError(
                f"the image service did not take the image (status {answer.status_code})",
                detail=f"{url}: {answer.text[:500]}",
            )


class _Chunks:
    """A file in pieces. It knows its length: a body without one goes out chunked, which says nothing of being whole."""

    def __init__(self, path: Path, checkpoint: Callable[[], None]) -> None:
        self._path, self._checkpoint = path, checkpoint

    def __len__(self) -> int:
        return self._path.stat().st_size

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                self._checkpoint()
                yield chunk
