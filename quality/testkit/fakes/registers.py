"""A partner that is asked whether it knows an id, as a test wants it."""

from dataclasses import dataclass, field

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.runtime.budget import Budget
from leadbridge.services.resolve_delivery import ConfirmedId, IdNotFound


@dataclass
class Knows:
    """A partner that knows whatever it is asked about, but for what a test says; `away` is raised instead."""

    unknown: set[int | str] = field(default_factory=set)
    away: partner_errors.PartnerError | None = None

    def confirm(self, _: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        assert 0 < budget.left <= 60
        if self.away is not None:
            raise self.away
        if created in self.unknown:
            raise IdNotFound
        return ConfirmedId(created, None)
