"""The raw answers beside a lead: as they came, and never more than the table can hold."""

from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.acceptance.answers import (
    MAX_ANSWER_LENGTH,
    MAX_ANSWERS,
    MAX_NAME_LENGTH,
    MAX_TOTAL_BYTES,
    bound_answers,
)

WORDS = st.text(max_size=40) | st.integers(1, 9000).map(lambda length: "їx😀" * length)


@given(st.dictionaries(WORDS, WORDS, max_size=150))
def test_answers_stay_within_their_limits(answers: dict[str, str]) -> None:
    kept = bound_answers(answers)
    assert len(kept) <= MAX_ANSWERS
    assert sum(len(name.encode()) + len(answer.encode()) for name, answer in kept.items()) <= MAX_TOTAL_BYTES
    assert all(len(name) <= MAX_NAME_LENGTH and 0 < len(one) <= MAX_ANSWER_LENGTH for name, one in kept.items())


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=50))
def test_short_answers_are_kept_as_they_came(answers: dict[str, str]) -> None:
    assert bound_answers(answers) == {name: one for name, one in answers.items() if one.strip()}


def test_what_the_table_cannot_encode_is_replaced() -> None:
    assert bound_answers({"a\ud800": "b\udfff"}) == {"a?": "b?"}
    assert bound_answers({f"{'n' * 300}{number}": "x" for number in range(3)}) == {"n" * 200: "x"}


def test_a_hostile_number_of_answers_costs_little() -> None:
    assert len(bound_answers({str(number): "" for number in range(200_000)} | {"last": "x"})) == 0
