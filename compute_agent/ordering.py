"""Which commands may be obeyed: the rule of (epoch, generation), as one pure function.

An agent obeys nothing lower than what it has obeyed, so that a late or repeated `stop` can't undo a `start`; and after
a removal nothing up to the removed pair, so that "absent" stays true once it was reported. Of commands about devices
this holds for each device by itself: they are begun side by side and come in any order.
"""

from __future__ import annotations

from enum import StrEnum

from common.rpc.compute_v1 import Command, DeviceCommand, EnsureAbsent
from compute_agent.hypervisor.base import DomainState
from compute_agent.specs import Known


class Verdict(StrEnum):
    OBEY = "obey"
    STALE = "stale"
    LATER_EPOCH_LIVES = "later_epoch_lives"  # a removal of an epoch that is past: only leftovers of it may go


def judge(command: Command, known: Known | None, domain: DomainState | None) -> Verdict:
    """What the node remembers counts, and what the domain itself says, should the memory be older or lost."""
    pair = (command.epoch, command.generation)
    lives = known if known is not None and not known.gone else None
    domain_pair = (domain.epoch, domain.generation) if domain else None
    if isinstance(command, EnsureAbsent):
        if any(epoch > command.epoch for epoch in _epochs(known, domain)):
            return Verdict.LATER_EPOCH_LIVES
        late = (lives and pair < lives.pair) or (domain_pair and pair < domain_pair)
        return Verdict.STALE if late else Verdict.OBEY
    if known is not None and known.gone:
        return Verdict.STALE if pair <= known.pair else Verdict.OBEY
    if isinstance(command, DeviceCommand):
        return _judge_device(command, lives)
    if lives is not None and pair < lives.pair:
        return Verdict.STALE
    if domain_pair is not None and pair < domain_pair:
        return Verdict.STALE
    return Verdict.OBEY


def _judge_device(command: DeviceCommand, known: Known | None) -> Verdict:
    """What was said of other devices since the last command about the whole instance does not count."""
    if known is None:
        return Verdict.OBEY  # and fails, for want of a spec, if it needs one
    floor = known.generation if known.floor is None else known.floor
    last = max(floor, known.devices.get(command.device_id, 0))
    return Verdict.STALE if (command.epoch, command.generation) < (known.epoch, last) else Verdict.OBEY


def _epochs(known: Known | None, domain: DomainState | None) -> list[int]:
    return [each.epoch for each in (known, domain) if each is not None]


def is_old_copy(domain: DomainState, known: Known | None) -> bool:
    """True for a domain that this node must not run: another epoch, or a removal, was obeyed since it was defined."""
    if known is None:
        return False
    return domain.epoch < known.epoch or (known.gone and domain.epoch <= known.epoch)
