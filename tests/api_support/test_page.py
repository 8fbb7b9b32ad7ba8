"""The page of supported calls is fresh, and each call that is not there says why."""

from __future__ import annotations

from tests.api_support.page import PAGE, Call, Support, answers, calls, lines, note_of, notes, render


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == render(), "run `python -m tests.api_support.page`"


def test_each_no_has_a_reason() -> None:
    silent = [
        f"{line.call.service}: {line.call.text}" for line in lines() if line.support is Support.NO and not line.words
    ]
    assert silent == [], "say why in tests/api_support/notes.tsv"


def test_each_note_is_about_a_call() -> None:
    every = notes()
    used = [note_of(call, every) for call in calls()]
    assert [note for note in every if note not in used] == [], "tests/api_support/notes.tsv says it of no call any more"


def test_what_is_there_is_found() -> None:
    assert answers(Call("compute", "POST", "/servers/{server_id}/action", "os-start"))
    assert answers(Call("identity", "HEAD", "/v3/users/{user_id}", ""))
    assert answers(Call("image", "GET", "/v2/schemas/images", ""))
    assert not answers(Call("compute", "POST", "/servers/{server_id}/action", "explode"))
    assert not answers(Call("identity", "GET", "/v3/nothing", ""))
