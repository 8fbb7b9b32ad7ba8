"""The power button of a domain that is going down by itself: a moment of a real libvirt that no test can hold it in.

After the guest has powered off, its domain stays active, in the state `shutdown`, until QEMU has ended; libvirt answers
shutdown() then with VIR_ERR_OPERATION_INVALID, "domain is not running" (qemuDomainShutdownFlagsMonitor of libvirt 9).
"""

from __future__ import annotations

from collections.abc import Iterator

import libvirt
import pytest

from common.errors import HypervisorError
from common.ids import new_id
from compute_agent.hypervisor.libvirt_host import LibvirtHost


class Domain:
    """Active, and deaf to every button."""

    def __init__(self, state: int) -> None:
        self._state = state

    def isActive(self) -> bool:  # noqa: N802 - libvirt's name
        return True

    def state(self) -> tuple[int, int]:
        return self._state, 0

    def shutdown(self) -> None:
        error = libvirt.libvirtError("domain is not running")
        error.err = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU, "domain is not running")
        raise error

    def reboot(self, _flags: int) -> None:
        self.shutdown()


class Connection:
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def getType(self) -> str:  # noqa: N802 - libvirt's name
        return "TEST"

    def domainEventRegisterAny(self, *_: object) -> int:  # noqa: N802 - libvirt's name
        return 0

    def lookupByUUIDString(self, _uuid: str) -> Domain:  # noqa: N802 - libvirt's name
        return self._domain

    def isAlive(self) -> bool:  # noqa: N802 - libvirt's name
        return True

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LibvirtHost]:
    monkeypatch.setattr(libvirt, "open", lambda _uri: Connection(Domain(request.param)))
    found = LibvirtHost("test:///", metadata_uri="urn:x", metadata_prefix="x")
    yield found
    found.close()


@pytest.mark.parametrize("host", [libvirt.VIR_DOMAIN_SHUTDOWN], indirect=True)
def test_a_guest_that_is_going_down_needs_no_button(host: LibvirtHost) -> None:
    """It failed a soft reboot in the middle, and left the server off."""
    host.press_power(new_id())
    host.press_reboot(new_id())


@pytest.mark.parametrize("host", [libvirt.VIR_DOMAIN_PAUSED], indirect=True)
def test_a_guest_that_can_not_hear_it_is_an_error(host: LibvirtHost) -> None:
    with pytest.raises(HypervisorError, match="power off"):
        host.press_power(new_id())
