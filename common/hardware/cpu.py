"""The guest's processors: how they are divided into sockets, cores and threads, and whether host CPUs are theirs alone.

Source: Nova's rules for hw:cpu_* and hw_cpu_*: a flavor's limits bind the image, what is preferred comes from the flavor,
else from the image.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import product

from common.errors import InvalidRequest
from common.hardware.wishes import Wish, Wishes, disagree
from common.rpc.hardware_v1 import CpuTopology

_NO_LIMIT = 65536
_PARTS = ("sockets", "cores", "threads")
_POLICY = Wish("hw:cpu_policy", "hw_cpu_policy")
_THREADS = Wish("hw:cpu_thread_policy", "hw_cpu_thread_policy")


class CpuPolicy(StrEnum):
    SHARED = "shared"
    DEDICATED = "dedicated"
    MIXED = "mixed"


class ThreadPolicy(StrEnum):
    """prefer: threads of one core where that can be had. isolate: one thread of each core, the others stay idle.

    require: whole cores of a host with several threads per core.
    """

    PREFER = "prefer"
    ISOLATE = "isolate"
    REQUIRE = "require"


def topology(wishes: Wishes, vcpus: int) -> CpuTopology | None:
    """The division that comes nearest to what is preferred; None when nothing is asked for.

    Raises InvalidRequest when the image asks for more than the flavor allows, or no division is within the limits.
    """
    wanted = [_preferred(wishes, part) for part in _PARTS]
    limits = [_limit(wishes, part) for part in _PARTS]
    if all(each is None for each in (*wanted, *limits)):
        return None
    for part, want, limit in zip(_PARTS, wanted, limits, strict=True):
        if want is not None and limit is not None and want > limit:
            raise InvalidRequest(f"The image's hw_cpu_{part} is {want}, but at most {limit} are allowed.")
    return _nearest(vcpus, wanted, [limit or _NO_LIMIT for limit in limits])


def _preferred(wishes: Wishes, part: str) -> int | None:
    said, asked = wishes.numbers(Wish(f"hw:cpu_{part}", f"hw_cpu_{part}"), 1)
    return said if said is not None else asked


def _limit(wishes: Wishes, part: str) -> int | None:
    said, asked = wishes.numbers(Wish(f"hw:cpu_max_{part}", f"hw_cpu_max_{part}"), 1)
    if said is not None and asked is not None and asked > said:
        raise InvalidRequest(f"The image's hw_cpu_max_{part} is {asked}, but the flavor allows at most {said}.")
    return asked if asked is not None else said


def _nearest(vcpus: int, wanted: list[int | None], limits: list[int]) -> CpuTopology:
    """Of all divisions within the limits the one that meets most wishes; then more sockets before cores and threads."""
    divisors = [number for number in range(1, vcpus + 1) if vcpus % number == 0]
    divisions = [
        (vcpus // (cores * threads), cores, threads)
        for cores, threads in product(divisors, divisors)
        if vcpus % (cores * threads) == 0
    ]
    possible = [each for each in divisions if all(part <= limit for part, limit in zip(each, limits, strict=True))]
    if not possible:
        raise InvalidRequest(
            f"{vcpus} vCPUs can't be divided into at most {limits[0]} sockets, {limits[1]} cores and {limits[2]} threads."
        )

    def merit(each: tuple[int, int, int]) -> tuple[int, int, int, int]:
        met = sum(want == part for want, part in zip(wanted, each, strict=True) if want is not None)
        return met, *each

    sockets, cores, threads = max(possible, key=merit)
    return CpuTopology(sockets=sockets, cores=cores, threads=threads)


def policy(wishes: Wishes) -> CpuPolicy:
    """Raises InvalidRequest for mixed, and when the image wants CPUs of its own and the flavor says shared."""
    if CpuPolicy.MIXED in (wishes.flavor_says(_POLICY), wishes.image_says(_POLICY)):
        raise InvalidRequest("The CPU policy mixed is not supported; hw:cpu_policy can be shared or dedicated.")
    of_flavor = Wishes(wishes.specs, {}).choice(_POLICY, CpuPolicy)
    of_image = Wishes({}, wishes.properties).choice(_POLICY, CpuPolicy)
    if of_flavor is CpuPolicy.SHARED and of_image is CpuPolicy.DEDICATED:
        raise disagree(_POLICY, of_flavor, of_image)
    return of_flavor or of_image or CpuPolicy.SHARED


def thread_policy(wishes: Wishes, of_cpus: CpuPolicy) -> ThreadPolicy:
    """Raises InvalidRequest for a policy without dedicated CPUs, and where a flavor's strict one is contradicted."""
    of_flavor = Wishes(wishes.specs, {}).choice(_THREADS, ThreadPolicy)
    of_image = Wishes({}, wishes.properties).choice(_THREADS, ThreadPolicy)
    if (of_flavor or of_image) and of_cpus is not CpuPolicy.DEDICATED:
        raise InvalidRequest("A policy for CPU threads needs the CPU policy dedicated (hw:cpu_policy).")
    if of_flavor in (None, ThreadPolicy.PREFER):
        return of_image or ThreadPolicy.PREFER
    if of_image is not None and of_image is not of_flavor:
        raise disagree(_THREADS, of_flavor or "", of_image)
    return of_flavor or ThreadPolicy.PREFER
