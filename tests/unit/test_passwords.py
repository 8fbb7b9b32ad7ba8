"""Password hashes: verification, the cap before hashing, the dummy for unknown accounts (AUTH-06, AUTH-07)."""

from __future__ import annotations

import time

import pytest

from common.errors import InvalidRequest
from common.passwords import Passwords
from common.secret import Secret

CHEAP = Passwords(memory_kib=8, rounds=1, max_bytes=4096)


def test_a_password_matches_its_own_hash_only() -> None:
    stored = CHEAP.hash(Secret("right"))
    assert stored.startswith("$argon2id$")
    assert CHEAP.verify(Secret("right"), stored)
    assert not CHEAP.verify(Secret("wrong"), stored)


def test_two_hashes_of_one_password_differ() -> None:
    assert CHEAP.hash(Secret("same")) != CHEAP.hash(Secret("same"))


@pytest.mark.parametrize("length", [72, 73, 4096])
def test_nothing_is_cut_off(length: int) -> None:
    stored = CHEAP.hash(Secret("x" * length))
    assert CHEAP.verify(Secret("x" * length), stored)
    assert not CHEAP.verify(Secret("x" * (length - 1) + "y"), stored)
    assert not CHEAP.verify(Secret("x" * (length - 1)), stored)


@pytest.mark.parametrize("password", ["", "x" * 4097, "é" * 2049, "x" * 10_000_000])
def test_empty_and_too_long_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidRequest):
        CHEAP.hash(Secret(password))
    assert not CHEAP.verify(Secret(password), CHEAP.hash(Secret("x")))


def test_a_long_password_costs_no_hash() -> None:
    costly = Passwords(memory_kib=64 * 1024, rounds=4, max_bytes=4096)
    stored = costly.hash(Secret("x"))
    began = time.perf_counter()
    costly.verify(Secret("x"), stored)
    one_hash_s = time.perf_counter() - began
    began = time.perf_counter()
    assert not costly.verify(Secret("x" * 10_000_000), stored)
    assert time.perf_counter() - began < one_hash_s


def test_no_account_is_verified_against_a_dummy_and_never_matches() -> None:
    assert not CHEAP.verify(Secret("anything"), None)
    assert not CHEAP.verify(Secret("no account has this password"), None)


@pytest.mark.parametrize("stored", ["", "not a hash", "$argon2id$v=19$broken"])
def test_a_damaged_hash_matches_nothing(stored: str) -> None:
    assert not CHEAP.verify(Secret("x"), stored)
