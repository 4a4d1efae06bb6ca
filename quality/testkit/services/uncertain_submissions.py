"""A delivery to a broker that can be searched by e-mail after a lost reply."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByEmail
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.blades import Blade, Ports
from quality.testkit.fixtures import Time
from quality.testkit.people import lead
from quality.testkit.services.checks import check_one

AMPLE = Budget(deadline=190.0, monotonic=lambda: 0.0)

PARTNER = "matchtrade"

LEAD = lead().model_copy(update={"partners": (PARTNER,)})

EMAIL = LEAD.person.email or ""


@dataclass
class Account:
    uuid: str | None
    created: datetime | None
    status: str | None = "NEW_CONTACT"
    created_latest: datetime | None = None


@dataclass
class Broker:
    """One account an e-mail. `replies` says of each create whether its answer arrives; what it made, it made."""

    time: Time
    accounts: dict[str, Account] = field(default_factory=dict)
    creates: int = 0
    looks: int = 0
    replies: Iterator[partner_errors.PartnerError | None] = field(default_factory=lambda: iter(()))
    looked_up: Iterator[partner_errors.PartnerError | None] = field(default_factory=lambda: iter(()))
    does_create: bool = True
    blade: Blade = field(default_factory=lambda: Blade(at=0))
    seconds_per_submission: float = 30.0
    seconds_per_create: float = 20.0
    seconds_per_page: float = 20.0

    def authorize(self, budget: Budget) -> Ports:
        return Ports(self, self.blade)

    def create(self, submitted: Lead, budget: Budget) -> str | None:
        email = submitted.person.email or ""
        self.creates += 1
        if email in self.accounts:
            raise partner_errors.Duplicate(PARTNER, "create", "the broker has an account of this e-mail already")
        if self.does_create:
            self.accounts[email] = Account(f"uuid-{len(self.accounts)}", self.time.now)
        if error := next(self.replies, None):
            raise error
        return self.accounts[email].uuid

    def find(self, email: str, budget: Budget) -> Account | None:
        self.looks += 1
        if error := next(self.looked_up, None):
            raise error
        return self.accounts.get(email)


@dataclass
class World:
    """One lead that waits for the broker."""

    store: LeadRepository
    time: Time
    settings: Settings
    broker: Broker
    dead_letters: list[str] = field(default_factory=list)

    def visit(self, blade: Blade | None = None) -> Result:
        blade = blade or Blade(at=0)
        self.broker.blade = blade
        broker = Ports(self.broker, blade)
        submitter = Submitter(
            ledger=Ports(self.store, blade),
            partner=broker,
            accounts=broker,
            settings=self.settings.partners[PARTNER],
            clock=self.time,
            dead_letter=lambda delivery, _: self.dead_letters.append(delivery.lead_id),
            jitter=lambda: 1.0,
        )
        return submitter.process(LEAD.lead_id, PARTNER, AMPLE)

    def look(self, *, at_once: bool = False) -> Outcome:
        partner = StatusByEmail(self.broker, self.store.lead)
        checker = Checker(self.store, partner, self.settings.partners[PARTNER], self.time, jitter=lambda: 0.0)
        return check_one(checker, LEAD.lead_id, PARTNER, AMPLE, at_once=at_once).outcome

    @property
    def delivery(self) -> Delivery:
        found = self.store.delivery(LEAD.lead_id, PARTNER)
        assert found is not None
        return found


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    store.accept(LEAD, phone_hash=None)
    return World(store, time, shipped_settings, Broker(time))


def lost() -> partner_errors.PartnerError:
    return partner_errors.Unknown(PARTNER, "create", "the reply is lost")


def away() -> partner_errors.PartnerError:
    return partner_errors.Unavailable(PARTNER, "list", "away")
