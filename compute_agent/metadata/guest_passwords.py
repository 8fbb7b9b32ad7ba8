"""Takes the password that a guest leaves for its owner to the API, and tells whether there is one.

Guests without SSH (Windows with cloudbase-init) make their administrator's password themselves, encrypt it with the
server's public key and POST it to `/openstack/VERSION/password`, once. It is kept in the control plane alone: a node that
dies or forgets loses none, and one that its owner has cleared can be left anew.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from common.clock import Clock
from common.deadlines import GUEST_PASSWORD_S
from common.errors import CloudError
from common.secret import Secret
from compute_agent import identity

if TYPE_CHECKING:
    import requests

MAX_PER_MINUTE = 20  # of one guest: it must not be able to keep the API busy


class ApiSilent(CloudError):
    code = "api_silent"


class TooOften(CloudError):
    code = "too_often"


class GuestPasswords(Protocol):
    """Both raise ApiSilent and TooOften."""

    def show(self, instance_id: str) -> str:
        """As the guest has encrypted it; "": it has left none."""
        ...

    def leave(self, instance_id: str, ciphertext: str) -> bool:
        """False: there is one already, which stays."""
        ...


class ApiGuestPasswords:
    """url: of the API. ca_file: what its certificate is checked with; "" for well-known authorities."""

    def __init__(self, *, url: str, node: str, secret: Secret, clock: Clock, ca_file: str = "") -> None:
        self._url = f"{url.rstrip('/')}/cumulet/v1/nodes/servers"
        self._node, self._secret, self._clock = node, secret, clock
        self._verify: bool | str = ca_file or True
        self._lock = threading.Lock()
        self._minute = 0
        self._asked: Counter[str] = Counter()  # in this minute, by instance

    def show(self, instance_id: str) -> str:
        answer = self._ask("GET", instance_id)
        if answer.status_code != 200:
            raise _unexpected(answer)
        return str(answer.json()["password"])

    def leave(self, instance_id: str, ciphertext: str) -> bool:
        answer = self._ask("PUT", instance_id, ciphertext.encode())
        if answer.status_code not in (204, 409):
            raise _unexpected(answer)
        return answer.status_code == 204

    def _ask(self, method: str, instance_id: str, body: bytes | None = None) -> requests.Response:
        import requests  # here, as in storage/image_cache.py

        self._count(instance_id)
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy of the environment may see the secret
                return session.request(
                    method, f"{self._url}/{instance_id}/password", data=body,
                    headers=identity.headers(self._node, self._secret), allow_redirects=False,
                    verify=self._verify, timeout=GUEST_PASSWORD_S,
                )  # fmt: skip
        except requests.RequestException as err:
            raise ApiSilent("the API does not answer", detail=str(err)) from err

    def _count(self, instance_id: str) -> None:
        minute = int(self._clock.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._asked.clear()
            self._asked[instance_id] += 1
            if self._asked[instance_id] > MAX_PER_MINUTE:
                raise TooOften(f"more than {MAX_PER_MINUTE} requests in a minute")


def _unexpected(answer: requests.Response) -> ApiSilent:
    return ApiSilent(f"the API answered with status {answer.status_code}", detail=answer.text[:500])
