"""The operator of a run in one process."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbridge.domain.delivery import Delivery
from leadbridge.storage.leads import Journey
from quality.chaos.final_probe import RESOLVE
from quality.chaos.in_process.harness import FaultPlan
from quality.chaos.in_process.secrets import TOKEN
from quality.chaos.operator import ALLOWED_STATUSES, OnStatus, Operator, Shares, ignore

if TYPE_CHECKING:
    from quality.chaos.in_process.chaos import Chaos

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class InProcessOperator(Operator):
    def __init__(self, run: Chaos) -> None:
        super().__init__(run.partner, run.random, run.counters, run.posted, Shares(erase=0.04, write=0.16, add=0.06))
        self.run = run
        self.next_plan: FaultPlan | None = None  # of the next call, instead of a random one
        self.expired: set[str] = set()  # leads whose own item had expired before they were erased

    def now(self) -> datetime:
        return self.run.time.now

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        return self.run.stack.store.delivery(lead_id, partner)

    def journey(self, lead_id: str) -> Journey | None:
        return self.run.stack.store.journey(lead_id)

    def can_be_settled(self, delivery: Delivery) -> bool:  # noqa: ARG002
        return not self.run.harness.frozen

    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        place: dict[str, str] | None = None,
        *,
        on: OnStatus = ignore,
        allowed: frozenset[int] = ALLOWED_STATUSES,
    ) -> None:
        text, name = None if body is None else json.dumps(body), f"{method} {resource}"

        def work() -> Any:
            return self.run.stack.ask(method, resource, text, headers=HEADERS, pathParameters=place)

        def check(answer: Any) -> None:
            status = 0 if answer is None else answer["statusCode"]
            on(status)
            if status:
                self.counters.add(f"operators answered {status}")
            if 0 < status < 500 and status not in allowed:  # the worker's failure explains a 5xx
                self.counters.fail(name, f"answered {status}: {answer['body']}")

        # A resolution asks the partner; without its answer nothing is stored.
        may_answer = 503 if resource == RESOLVE and not self.run.is_draining else None
        fault_plan, self.next_plan = self.next_plan, None
        self.run.work("ManageLeads", work, check, fault_plan, name=name, may_answer=may_answer)
