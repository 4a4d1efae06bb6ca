"""What the model of a delivery's states is made of: a ledger that watches, and partners that say anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import NOT_AT_PARTNER
from leadbridge.domain.transitions import DELIVERY
from leadbridge.runtime.budget import Budget
from quality.testkit.fakes.blades import Ports
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.fakes.workers import Harness, Time

R, W, S, C = State.RECEIVED, State.SUBMITTING, State.SUBMITTED, State.CLOSED
X, D, U, F, N = State.REJECTED, State.DUPLICATE, State.UNKNOWN, State.FAILED, State.SKIPPED
# The model's operator settles only what is unknown, and corrects nothing.
ALLOWED = {
    edge
    for event, states in DELIVERY.items()
    for edge in states.items()
    if event not in {"found", "not_found", "withdrawn"} or (edge[0] == U and event != "withdrawn")
}
ENDS = {S, C, X, D, U, F, N}

# What a create call comes to: the error that the worker sees, and whether the partner created it anyway.
ANSWERS: dict[str, tuple[type[partner_errors.PartnerError] | None, bool]] = {
    "taken": (None, True),
    "refused": (partner_errors.Rejected, False),
    "a bad token": (partner_errors.Unauthorized, False),
    "asked to wait": (partner_errors.RateLimited, False),
    "never sent": (partner_errors.Unavailable, False),
    "wrong settings": (partner_errors.Misconfigured, False),
    "answer lost, and made": (partner_errors.Unknown, True),
    "answer lost, and not made": (partner_errors.Unknown, False),
}


class Watched(Ledger):
    """The strict ledger, which notes every change and refuses those that the drawing does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.permitted = 1  # creates: one, and one more each time a person has it sent though it may be there

    def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
        before, after = change.before, change.after
        kept = super().apply(change)
        assert after.version == before.version + 1, change
        is_erasure = after.is_erased and not before.is_erased
        assert (before.state, after.state) in ALLOWED or (is_erasure and before.state is after.state), change
        if change.what == "retry_requested" and (before.state is U or before.last_error_code == NOT_AT_PARTNER.code):
            self.permitted += 1
        return kept


@dataclass
class Account:
    uuid: str | None
    created: datetime | None
    status: str | None = "NEW_CONTACT"
    created_latest: datetime | None = None


@dataclass
class Partner:
    """Makes what it is asked to, and says of it what the test wants. One that `can_be_asked` makes one an e-mail."""

    name: str
    time: Time
    harness: Harness
    can_be_asked: bool
    made: list[int | str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)  # the revision of the lead that each create call sent
    accounts: list[Account] = field(default_factory=list)
    authorizes: type[partner_errors.PartnerError] | None = None
    answers: str = "taken"
    listens: bool = True
    seconds_per_submission: float = 15.0
    seconds_per_create: float = 10.0
    seconds_per_page: float = 10.0
    seconds_per_check: float = 10.0

    @property
    def is_concurrent(self) -> bool:
        """Not here: the run decides which step is next."""
        return False

    @property
    def settles_lost_replies(self) -> bool:
        return self.can_be_asked

    def authorize(self, budget: Budget) -> Any:
        if self.authorizes is not None:
            raise self.authorizes(self.name, "authorize", "as the test wants")
        return Ports(self, self.harness)

    def create(self, submitted: Lead, budget: Budget) -> int | str:
        self.sent.append(submitted.revision)
        error, is_made = ANSWERS[self.answers]
        if is_made and self.accounts:
            raise partner_errors.Duplicate(self.name, "create", "there is one already")
        made: int | str = len(self.made) + 1
        if is_made and self.can_be_asked:
            made = f"uuid-{made}"
            self.accounts.append(Account(str(made), self.time.now))
        if is_made:
            self.made.append(made)
        if error is not None:
            raise error(self.name, "create", "as the test wants")
        return made

    def find(self, email: str, budget: Budget) -> Account | None:
        if not self.listens:
            raise partner_errors.Unavailable(self.name, "list", "as the test wants")
        return self.accounts[0] if self.accounts else None

    def status(self, delivery: Delivery, budget: Budget) -> str:
        if not self.listens:
            raise partner_errors.Unavailable(self.name, "status", "as the test wants")
        return "В обробці"
