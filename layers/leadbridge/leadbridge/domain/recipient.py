"""Where a person can be written to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipient:
    """Where to write to, and the person's language as the messenger knows it; `remembered` if it was found long ago."""

    account_id: str
    locale: str | None = None
    person_id: str | None = None
    remembered: bool = False
