"""Microversions as the compute and placement APIs negotiate them (API-SIG guideline, "Microversion Specification")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from common.errors import InvalidRequest, VersionNotSupported

_FORM = re.compile(r"^([1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\Z")


@total_ordering
@dataclass(frozen=True)
class Microversion:
    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Microversion:
        """Raises InvalidRequest for anything but N.M."""
        found = _FORM.match(text)
        if not found:
            raise InvalidRequest(
                f"API Version String {text[:40]!r} is of invalid format. Must be of format MajorNum.MinorNum."
            )
        return cls(int(found[1]), int(found[2]))

    def __lt__(self, other: Microversion) -> bool:
        return (self.major, self.minor) < (other.major, other.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class VersionRange:
    """What a service answers. `service_type` is the word in the OpenStack-API-Version header."""

    service_type: str
    lowest: Microversion
    highest: Microversion
    legacy_header: str | None = None

    def negotiate(self, standard: str | None, legacy: str | None) -> Microversion:
        """The version to answer in: the standard header wins over the legacy one; neither means the lowest.

        Raises VersionNotSupported (406) outside the range, InvalidRequest for a malformed version.
        """
        asked = _of_service(standard, self.service_type) or (legacy.strip() if legacy else None)
        if asked is None:
            return self.lowest
        if asked == "latest":
            return self.highest
        version = Microversion.parse(asked)
        if not self.lowest <= version <= self.highest:
            raise VersionNotSupported(
                f"Version {version} is not supported by the API. Minimum is {self.lowest} and maximum is {self.highest}."
            )
        return version


def _of_service(header: str | None, service_type: str) -> str | None:
    for part in (header or "").split(","):
        words = part.split()
        if len(words) == 2 and words[0].lower() == service_type:
            return words[1].lower()
    return None
