"""Backups in an S3 bucket, by boto3: Amazon's, Ceph's RADOS gateway, MinIO or any other that speaks the protocol.

boto3 is loaded when the driver is chosen, for it is an option of the installation. Objects are named
LOCATION/NAME; the bucket is the operator's to make, with whatever versions, locks and encryption are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from common.config import BackupConfig
from common.errors import ConfigError, StorageError
from compute_agent.backups.base import check_names

T = TypeVar("T")
CONNECT_S, READ_S, ATTEMPTS = 10, 60, 4


class BackupBucket:
    """Implements base.BackupStore. One per process: the client holds a pool of connections."""

    def __init__(self, config: BackupConfig) -> None:
        """Raises ConfigError when boto3 is missing or the bucket has no name."""
        if not config.s3_bucket:
            raise ConfigError("[backup] s3_bucket: driver s3 needs a bucket")
        try:
            import boto3
            import botocore.exceptions
            from botocore.config import Config as BotoConfig
        except ImportError as err:
            raise ConfigError("[backup] driver s3 needs boto3: pip install cumulet[s3]") from err
        self._bucket = config.s3_bucket
        self._errors: tuple[type[Exception], ...] = (
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError,
        )  # fmt: skip
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=config.s3_endpoint or None,
            region_name=config.s3_region,
            aws_access_key_id=config.s3_access_key or None,
            aws_secret_access_key=config.s3_secret_key.reveal() or None,
            config=BotoConfig(
                connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": ATTEMPTS},
                s3={"addressing_style": config.s3_addressing},
            ),
        )  # fmt: skip

    def put(self, location: str, name: str, data: bytes) -> None:
        check_names(location, name)
        key = f"{location}/{name}"
        self._do(f"put {key}", lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=data))

    def get(self, location: str, name: str) -> bytes:
        check_names(location, name)
        key = f"{location}/{name}"
        return self._do(
            f"get {key}", lambda: bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        )

    def remove(self, location: str) -> None:
        check_names(location)
        self._do(f"remove {location}", lambda: self._remove(location))

    def _remove(self, location: str) -> None:
        """A page of at most 1,000 keys at a time, which is what one request may delete."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{location}/")
        for page in pages:
            keys = [{"Key": row["Key"]} for row in page.get("Contents", ())]
            if not keys:
                continue
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
            if answer.get("Errors"):
                raise StorageError(f"backup {location} could not be removed whole", detail=str(answer["Errors"])[:500])

    def _do(self, what: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except self._errors as err:
            raise StorageError(f"the bucket of backups did not do it: {what}", detail=str(err)[:500]) from err
