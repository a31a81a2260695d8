"""Laws of the chain of revisions: what each phase may run of it, what is told, and how the released ones stand."""

import re

import pytest
from alembic.script import ScriptDirectory

from gateway.stores.sql import postgres_schema, schema
from gateway.stores.sql.chain import OWN, Blocked, Revision, missing_at, steps_of
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import Schema, SchemaState, report
from gateway.stores.sql.tables import HEAD

BEFORE, AFTER = Phase.BEFORE, Phase.AFTER
ABSENT, BEHIND, UNFINISHED, CURRENT, NEWER, _ = SchemaState


@pytest.mark.parametrize(
    ("missing", "phase", "run"),
    [
        ("", None, ""),
        ("", BEFORE, ""),
        ("", AFTER, ""),
        ("bab", None, "bab"),
        ("b", BEFORE, "b"),
        ("bbaa", BEFORE, "bb"),
        ("a", BEFORE, ""),
        ("aa", AFTER, "aa"),
        ("aab", AFTER, "aa"),
        # On a new schema, whose first revision is "B", nobody serves yet.
        ("Bbab", BEFORE, "Bbab"),
        ("Bba", BEFORE, "Bba"),
    ],
)
def test_a_phase_runs_all_of_its_own(missing: str, phase: Phase | None, run: str) -> None:
    chain = revisions(missing)
    assert steps_of(chain, phase) == chain[: len(run)]


@pytest.mark.parametrize(
    ("missing", "phase", "by", "skipped"),
    [
        ("b", AFTER, 0, False),
        ("ba", AFTER, 0, False),
        ("Bba", AFTER, 0, False),
        ("ab", BEFORE, 0, False),
        ("aabb", BEFORE, 0, False),
        ("bab", BEFORE, 1, True),
        ("bbabab", BEFORE, 2, True),
    ],
)
def test_a_phase_that_would_not_come_to_its_end_does_not_begin(
    missing: str, phase: Phase, by: int, *, skipped: bool
) -> None:
    chain = revisions(missing)
    assert steps_of(chain, phase) == Blocked(phase, chain[by], skipped)


def revisions(letters: str) -> tuple[Revision, ...]:
    return tuple(
        Revision(f"{place:04}", BEFORE if letter in "Bb" else AFTER, letter == "B")
        for place, letter in enumerate(letters)
    )


def test_a_schema_lacks_what_comes_after_its_revision_in_the_chain() -> None:
    chain = revisions("Bba")
    assert missing_at(chain, None) == chain
    assert [missing_at(chain, each.id) for each in chain] == [chain[1:], chain[2:], ()]
    assert missing_at(chain, "9999") is None


# What is told


@pytest.mark.parametrize(
    ("state", "lacking"),
    [
        (ABSENT, {None, BEFORE, AFTER}),
        (BEHIND, {None, BEFORE, AFTER}),
        (UNFINISHED, {None, AFTER}),
        (CURRENT, set()),
        (NEWER, set()),
    ],
)
def test_a_check_of_a_phase_tells_whether_it_is_still_to_be_done(
    state: SchemaState, lacking: set[Phase | None]
) -> None:
    assert {phase for phase in (None, BEFORE, AFTER) if state.lacks(phase)} == lacking


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (CURRENT, "the schema is at revision 7"),
        (UNFINISHED, "the schema is at revision 7; when no older gateway is left, run `COMMAND --phase after`"),
        (BEHIND, "the schema is at revision 7; before the roll-out of this version run `COMMAND --phase before`"),
        (NEWER, "the schema is at revision 7 of a newer version, and this one may still use it"),
    ],
)
def test_a_migration_says_what_it_came_to_and_what_is_next(state: SchemaState, sentence: str) -> None:
    for words, url in (
        (postgres_schema.words("postgresql://u:hunter2@h/d"), "postgresql://u@h/d"),
        (schema.words("/x.db"), "sqlite:////x.db"),
    ):
        said = report(Schema(state, "7"), words)
        assert said == sentence.replace("COMMAND", f"idempotency-gateway migrate --store {url}")


# The revisions that were released


def test_the_revisions_are_one_chain_of_growing_numbers_and_each_has_its_phase() -> None:
    chain = OWN.revisions()
    assert [each.id for each in chain] == sorted({each.id for each in chain})
    assert all(re.fullmatch("[0-9]{4}", each.id) for each in chain)
    assert (chain[-1].id, [each.first for each in chain]) == (HEAD, [True] + [False] * (len(chain) - 1))
    assert ScriptDirectory.from_config(OWN.config()).get_heads() == [HEAD]
    assert chain[0].phase is BEFORE
