"""What is sealed for a node is read by that node alone."""

from __future__ import annotations

import hashlib

import pytest

from common import node_seal
from common.errors import ConfigError
from common.secret import Secret

MINE, OTHER = Secret("the secret of this node"), Secret("the secret of another node")
PASSWORD = Secret("a pass\udcffword")


def known_hash(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def test_the_node_reads_what_the_control_plane_seals_by_the_hash_that_it_knows() -> None:
    sealed = node_seal.of_hash(known_hash(MINE)).seal(PASSWORD)
    assert PASSWORD.reveal().encode("utf-8", "surrogatepass") not in sealed.encode()
    assert node_seal.of_secret(MINE).open(sealed) == PASSWORD


def test_another_node_does_not() -> None:
    with pytest.raises(ConfigError, match="join it again"):
        node_seal.of_secret(OTHER).open(node_seal.of_hash(known_hash(MINE)).seal(PASSWORD))


@pytest.mark.parametrize("known", ["", "ab"])
def test_nothing_is_sealed_for_a_node_without_a_secret(known: str) -> None:
    with pytest.raises(ConfigError, match="join it again"):
        node_seal.of_hash(known)
