"""Whatever may stand in JSON, and then some: for properties that hold of anything at all."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st


def any_text(max_size: int | None = 40) -> st.SearchStrategy[str]:
    """Any text, lone surrogates included."""
    return st.text(alphabet=st.characters(exclude_categories=()), max_size=max_size)


def json_scalars() -> st.SearchStrategy[Any]:
    """What is neither list nor object, huge numbers and the Decimals that are no numbers included."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=4000, max_value=6000).map(lambda digits: 10**digits),
        st.floats(),
        st.decimals(),
        st.sampled_from(["1E+999999", "1E-999999", "sNaN", "-0", "NaN", "Infinity"]).map(Decimal),
        any_text(),
        st.integers(min_value=250, max_value=3000).map(lambda length: "ї" * length),
    )


def json_values() -> st.SearchStrategy[Any]:
    """Any value, a few levels deep."""
    return st.recursive(
        json_scalars(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text(8), inner, max_size=4),
        max_leaves=8,
    )
