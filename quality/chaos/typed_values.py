"""How people type the values of a form: in ways that have one reading, in ways that have none, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

SHARE_TYPED = 0.3  # of people who type some values in an unusual way that can be read
SHARE_UNUSABLE = 0.4  # of people with one or two values that cannot be used


@dataclass(frozen=True)
class Style:
    """One way to type a value. `write` gets the value and the person's number, and returns None for an empty field."""

    write: Callable[[str, int], str | None]
    is_usable: bool = True


LEFT_OUT = Style(lambda _value, _number: None, is_usable=False)

READABLE: Mapping[str, tuple[Style, ...]] = {
    "person.phone": (
        Style(lambda phone, _: f"0{phone[4:6]} {phone[6:9]} {phone[9:11]} {phone[11:]}"),
        Style(lambda phone, _: f"(0{phone[4:6]}) {phone[6:9]}-{phone[9:11]}-{phone[11:]}"),
        Style(lambda phone, _: f"00{phone[1:]}"),
        Style(lambda phone, _: f"{phone[1:]}.0"),
        Style(lambda phone, _: phone[4:]),
        Style(lambda phone, _: f"тел. {phone}"),
    ),
    "person.email": (
        Style(lambda email, _: f"mailto:{email}"),
        Style(lambda email, _: f"<{email}>"),
        Style(lambda email, _: f"«{email}»,"),
    ),
    "person.tax_number": (
        Style(lambda number, _: f"{number[:4]} {number[4:7]} {number[7:]}"),
        Style(lambda number, _: f"ІПН: {number}"),
        Style(lambda number, _: f"{number}.0"),
    ),
    "loan.amount": (
        Style(lambda amount, _: f"{int(amount):,} грн".replace(",", " ")),
        Style(lambda amount, _: f"{amount},00 ₴"),
        Style(lambda amount, _: f"{amount} UAH"),
    ),
    "loan.term": (
        Style(lambda term, _: f"{term} міс."),
        Style(lambda term, _: f"{term}.0"),
        Style(lambda _term, _: "1 рік"),
    ),
}
"""By lead field: readable ways. Each value has the reading that it would have without the style."""

UNUSABLE: Mapping[str, tuple[Style, ...]] = {
    "person.full_name": (Style(lambda _, number: f"№ {number:04}", is_usable=False), LEFT_OUT),
    "person.phone": (Style(lambda _, number: f"у вайбері, кімната {number:04}", is_usable=False), LEFT_OUT),
    "person.email": (Style(lambda _, number: f"пошта {number:04} собака укрнет", is_usable=False), LEFT_OUT),
    "person.tax_number": (Style(lambda _, number: f"загубила картку {number:04}", is_usable=False), LEFT_OUT),
    "person.activity": (LEFT_OUT,),
    "loan.amount": (Style(lambda _, number: f"від {number:04} до 20 тисяч", is_usable=False), LEFT_OUT),
    "loan.term": (Style(lambda _, number: f"як дадуть, варіант {number:04}", is_usable=False), LEFT_OUT),
}
"""By lead field: texts that cannot be read. Each is unique and no part of another, so that it is
found wherever it is stored."""


def draw_styles(random: Random) -> dict[str, Style]:
    """Draw how one person types: as expected, in unusual ways, or with one or two values that cannot be used."""
    drawn = random.random()
    styles: dict[str, Style] = {}
    if drawn < SHARE_TYPED + SHARE_UNUSABLE:
        styles = {path: random.choice(ways) for path, ways in READABLE.items() if random.random() < 0.5}
    if drawn < SHARE_UNUSABLE:
        for path in random.sample(sorted(UNUSABLE), random.choice([1, 1, 2])):
            styles[path] = random.choice(UNUSABLE[path])
    return styles
