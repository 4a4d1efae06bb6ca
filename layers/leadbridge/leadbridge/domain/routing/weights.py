"""Order partners by weight, by a keyed hash of the person: the same person always gets the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log

HASH_DIGITS = 13  # hexadecimal digits of a hash that are used: 52 bits, which a float holds exactly


def order_by_weight(person: str, weights: Mapping[str, int], keyed_hash: Callable[[str], str]) -> list[str]:
    """Return the partners in the order in which they get this person's leads.

    Weighted rendezvous hashing: a partner is first for its share of the people, and the order of the others is random
    by weight, too. A change of one weight moves only people to or from that partner. `keyed_hash` returns hexadecimal
    digits.
    """

    def score(partner: str) -> tuple[float, str]:
        digits = keyed_hash(f"routing weight\n{partner}\n{person}")[:HASH_DIGITS]
        uniform = (int(digits, 16) + 0.5) / 16 ** len(digits)
        return -log(uniform) / weights[partner], partner

    return sorted(weights, key=score)


def person_of(value: Callable[[str], object]) -> str:
    """Return what identifies the person of a lead: the phone, else the e-mail; empty without both."""
    return str(value("person.phone") or value("person.email") or "").casefold()
