"""The item that a dead letter names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadbridge.domain.delivery import Delivery
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.domain.fetch import Fetch
    from leadbridge.domain.message import Message


@dataclass(frozen=True)
class LetterSubject:
    """The item that a dead letter names, as far as it exists. `is_erased`: the person of its lead was erased."""

    item: Delivery | Fetch | Message | Postback | None = None
    is_erased: bool = False


NO_SUBJECT = LetterSubject()
