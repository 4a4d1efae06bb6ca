"""A fetch of one lead: a Graph as a test wants it, the table, a worker that may be killed anywhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import lead_id_of
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.fetch_lead import Fetcher
from leadbridge.services.worker import Result
from leadbridge.settings import Settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Blade, Ports
from quality.testkit.fixtures import TABLE, Time

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
LEAD_ID = lead_id_of("meta-credit", "id:77")
KEYS = {"leadgen_id": "77", "form_id": "1"}
ANSWERS = {
    "full_name": "Прикладенко Олена Іванівна",
    "phone_number": "+380500000001",
    "email": "Olena@example.com",
    "city": "Полтава",
    "ваш_податковий_номер_(рнокпп)?": "3068208400",
    "ким_ви_працюєте?": "вчителька",
    "яка_сума_вам_потрібна,_грн?": "6000",
    "на_скільки_місяців?": "12",
}


@dataclass
class Origin:
    """Graph as a test wants it: raises what stands in `failures`, then returns the lead."""

    answers: Mapping[str, str] = field(default_factory=lambda: ANSWERS)
    failures: Iterator[partner_errors.PartnerError] = field(default_factory=lambda: iter(()))
    asked: int = 0
    seconds_per_fetch: float = 10.0

    def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
        self.asked += 1
        assert keys == KEYS
        if error := next(self.failures, None):
            raise error
        return {"id": "77", "field_data": [{"name": name, "values": [value]} for name, value in self.answers.items()]}


@dataclass
class World:
    """One named lead, and all that has to do with it."""

    store: LeadRepository
    time: Time
    settings: Settings
    origin: Any = field(default_factory=Origin)
    dead_letters: list[tuple[str, str]] = field(default_factory=list)

    @property
    def arrivals(self) -> FetchRepository:
        return FetchRepository(Table(aws.dynamodb(), TABLE))

    def visit(self, blade: Blade | None = None, budget: Budget = AMPLE, origin: Any = None) -> Result:
        return self.fetcher(blade, origin).process(LEAD_ID, budget)

    def fetcher(self, blade: Blade | None = None, origin: Any = None) -> Fetcher:
        blade = blade or Blade(at=0)
        return Fetcher(
            ledger=Ports(self.arrivals, blade),
            origin=lambda _: Ports(origin or self.origin, blade),
            settings=self.settings,
            keyed_hash=lambda value: f"hash of {value}",
            clock=self.time,
            dead_letter=Ports(self, blade).bury,
            jitter=lambda: 1.0,
        )

    def bury(self, fetch: Fetch, error: ErrorInfo) -> None:
        self.dead_letters.append((fetch.lead_id, error.text))

    def until_it_ends(self) -> Result:
        """Retry as often as requested."""
        for _ in range(1000):
            visit = self.visit()
            if visit.retry_after is None:
                return visit
            self.time.now += visit.retry_after
        raise AssertionError("it is retried forever")

    @property
    def fetch(self) -> Fetch:
        found = self.arrivals.fetch(LEAD_ID)
        assert found is not None
        return found

    @property
    def journey(self) -> Journey:
        found = self.store.journey(LEAD_ID)
        assert found is not None
        return found

    @property
    def said(self) -> list[str]:
        return [entry.what for entry in self.journey.timeline]


def fails(
    error: type[partner_errors.PartnerError] = partner_errors.Unavailable, text: str = "away", **more: Any
) -> partner_errors.PartnerError:
    return error("graph", "lead", text, **more)


def failing(*failures: partner_errors.PartnerError) -> Origin:
    return Origin(failures=iter(failures))
