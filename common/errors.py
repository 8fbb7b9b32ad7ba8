"""What can go wrong, by meaning; no HTTP here.

Every error has a stable `code` (never reused, clients may rely on it), a message a person can act on, and `detail`,
which only administrators and logs see: hypervisor text, paths and addresses belong there (OSSA-2019-003).
`api/errors.py` holds the one map from these classes to status codes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CloudError(Exception):
    """Base of all errors Cumulet raises on purpose; `retryable` says whether the same call may succeed later."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.facts = facts

    def as_dict(self) -> dict[str, Any]:
        """The form kept with operations and faults: code, message, facts (ids and amounts; JSON values only)."""
        return {"code": self.code, "message": self.message, "detail": self.detail, **self.facts}


class InvalidRequest(CloudError):
    code = "invalid_request"


class MalformedBody(InvalidRequest):
    """The body is not what its content type says."""

    code = "malformed_body"


class BodyTooLarge(CloudError):
    code = "body_too_large"


class UnsupportedMediaType(CloudError):
    code = "unsupported_media_type"


class VersionNotSupported(CloudError):
    """The microversion asked for lies outside what this service answers (HTTP 406)."""

    code = "version_not_supported"


class Unauthenticated(CloudError):
    code = "unauthenticated"


class Forbidden(CloudError):
    code = "forbidden"


class NotFound(CloudError):
    """Does not exist, or the caller may not know that it does: the two must look the same."""

    code = "not_found"


class MethodNotAllowed(CloudError):
    code = "method_not_allowed"


class Conflict(CloudError):
    """The request is right but the resource's present state forbids it."""

    code = "conflict"


class AlreadyExists(Conflict):
    code = "already_exists"


class StateConflict(Conflict):
    """The action is not allowed in the instance's present state (common/states.py says which are)."""

    code = "state_conflict"


class QuotaExceeded(CloudError):
    code = "quota_exceeded"


class RateLimited(CloudError):
    code = "rate_limited"
    retryable = True


class NoAddressLeft(Conflict):
    code = "no_address_left"


class NoValidNode(CloudError):
    """No node passes the filters, or every one that did failed; facts carry the explanation."""

    code = "no_valid_node"


class NodeUnreachable(CloudError):
    code = "node_unreachable"
    retryable = True


class BusUnavailable(CloudError):
    code = "bus_unavailable"
    retryable = True


class DatabaseUnavailable(CloudError):
    """The database can't be reached, or hung up. facts: committing, True when nobody knows whether a change was kept."""

    code = "database_unavailable"
    retryable = True


class LeaseLost(CloudError):
    """Another worker holds the operation now; whoever gets this must drop what it was about to write."""

    code = "lease_lost"


class StaleCommand(CloudError):
    """The command's (epoch, generation) is lower than one already obeyed."""

    code = "stale_command"


class CommandExpired(CloudError):
    code = "command_expired"


class ImageRefused(InvalidRequest):
    """The image's bytes are not what was declared, or could make a tool read something else."""

    code = "image_refused"


class TargetRefused(InvalidRequest):
    """An address that a user named is none that may be fetched from."""

    code = "target_refused"


class FetchFailed(CloudError):
    """What a user's address points to did not come, or not whole."""

    code = "fetch_failed"


class ImageDamaged(CloudError):
    """The bytes on disk don't have the recorded hash."""

    code = "image_damaged"


class HypervisorError(CloudError):
    code = "hypervisor_error"
    retryable = True


class HypervisorTimeout(HypervisorError):
    code = "hypervisor_timeout"


class NetworkingError(CloudError):
    code = "networking_error"
    retryable = True


class StorageError(CloudError):
    code = "storage_error"
    retryable = True


class ToolFailed(CloudError):
    """A child process ended badly or broke its limits; detail holds its standard error."""

    code = "tool_failed"


class ConfigError(CloudError):
    code = "config_error"
