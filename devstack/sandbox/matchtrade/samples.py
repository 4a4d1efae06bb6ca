"""The people of samples, computed from their numbers."""

from devstack.sandbox.matchtrade.statuses import SEEN
from devstack.sandbox.matchtrade.times import Millis

NAMES = ("Anna", "Boris", "Clara", "Denys", "Emma", "Frank", "Halyna", "Ivan", "Julia", "Karl", "Lesia")
SURNAMES = ("Adler", "Bondar", "Cohen", "Dovhan", "Evans", "Fedun", "Gruber", "Hnatiuk", "Ivanova", "Jensen")
COUNTRIES = ("Ukraine", "Poland", "Germany", "Cyprus", "Spain", "Italy", "Latvia")
HAND_MADE_EVERY = 4
"""Of the accounts that did not come from us, every so manieth has no lead source at all."""

_DAY = 24 * 3600 * 1000


def email(number: int) -> str:
    return f"lead-{number}@clients.example.com"


def person(number: int) -> dict[str, str]:
    """`email`, `name`, `surname`, `phone` and `country` of the sample with this number."""
    return {
        "email": email(number),
        "name": NAMES[number % len(NAMES)],
        "surname": SURNAMES[number % len(SURNAMES)],
        "phone": f"380{500_000_000 + number % 500_000_000}",
        "country": COUNTRIES[number % len(COUNTRIES)],
    }


def lead_source(number: int, *, foreign: bool) -> str | None:
    """In the contract's format for ours; another provider's, or none, for foreign ones."""
    if not foreign:
        return f"Test Offer|testoffer.com|Test Description|{number:010x}"
    return None if number % HAND_MADE_EVERY == 0 else f"Other Offer|elsewhere.example.com|Another provider|{number:x}"


def status(number: int) -> str:
    return SEEN[number % len(SEEN)]


def until_updated(number: int) -> Millis:
    """From the creation to the last change: up to 29 whole days."""
    return number % 30 * _DAY
