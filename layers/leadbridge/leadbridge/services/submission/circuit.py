"""The circuit of a partner: after consecutive failures it gets no leads for a while, then one at a time as a probe.

The result of an attempt is stored before the circuit learns of it. A worker that dies in between loses one count, and
its probe ends with its lease. So the circuit never decides what happens to a delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from leadbridge.domain.admission import Circuit
from leadbridge.domain.clock import Clock
from leadbridge.domain.errors.partner_errors import Duplicate, PartnerError, Rejected, shows_outage
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import count_for_partner, logger
from leadbridge.services.worker import LEASE_MARGIN, Outcome, Result
from leadbridge.settings.sections import CircuitPolicy

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import CircuitStates

ANSWERED = frozenset({Outcome.SUBMITTED, Outcome.REJECTED, Outcome.DUPLICATE, Outcome.UNRECORDED})


@dataclass(frozen=True)
class Permit:
    """The permission for one attempt: the circuit as it was read, and the id of the probe if the attempt is one."""

    circuit: Circuit
    probe: str | None = None


@dataclass(frozen=True)
class CircuitBreaker:
    """Opens and closes the circuit of one partner. Its methods raise what `states` raises."""

    partner: str
    policy: CircuitPolicy
    states: CircuitStates
    clock: Clock

    def enter(self, circuit: Circuit, budget: Budget) -> Permit | None:
        """Return the permission for an attempt; None if the attempt of another delivery is the probe.

        `circuit` is closed or half-open. A probe lasts as long as the invocation at most.
        """
        if circuit.is_closed:
            return Permit(circuit)
        now = self.clock()
        ends = now + timedelta(seconds=budget.total) + LEASE_MARGIN
        probe = self.states.start_probe(self.partner, circuit, now, ends)
        return None if probe is None else Permit(circuit, probe)

    def leave(self, permit: Permit, lead_id: str, result: Result) -> None:
        """Count the result of an attempt. A success without earlier failures writes nothing."""
        error = result.error
        if error is not None and shows_outage(error):
            self._count_failure(permit, lead_id, error)
        elif isinstance(error, Rejected | Duplicate) or (error is None and result.outcome in ANSWERED):
            self._count_success(permit)
        elif permit.probe is not None:
            self.states.end_probe(self.partner, permit.probe)

    def _count_success(self, permit: Permit) -> None:
        if permit.probe is None:
            if permit.circuit.failures:
                self.states.reset_failures(self.partner)
        elif self.states.close_circuit(self.partner, permit.probe, self.clock()):
            count_for_partner("CircuitClosed", self.partner)
            logger.info("circuit closed", partner=self.partner)

    def _count_failure(self, permit: Permit, lead_id: str, error: PartnerError) -> None:
        """Open the circuit after enough failures, or at once for a Retry-After that is not shorter than `open_for`."""
        policy, now, code = self.policy, self.clock(), error.code.value
        requested = min(timedelta(seconds=error.retry_after or 0.0), policy.longest)
        if permit.probe is not None:
            doubled = min(2 * permit.circuit.open_for, policy.longest)
            self.states.reopen_circuit(self.partner, permit.probe, now, max(policy.open_for, doubled, requested), code)
            return
        failures = self.states.count_failure(self.partner, lead_id, code)
        if failures < policy.failures and requested < policy.open_for:
            return
        open_for = max(policy.open_for, requested)
        if self.states.open_circuit(self.partner, now, open_for, code):
            count_for_partner("CircuitOpened", self.partner)
            logger.warning("circuit opened", partner=self.partner, code=code, seconds=open_for.total_seconds())
