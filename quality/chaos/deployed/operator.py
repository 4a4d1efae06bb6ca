"""The operator of a run over the deployed stack."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from urllib3.exceptions import HTTPError

from devstack.commands.api import Answer, ask
from leadbridge.domain.delivery import Delivery, State
from leadbridge.storage.leads import Journey
from quality.chaos.counters import Counters
from quality.chaos.deployed.target import Target
from quality.chaos.final_probe import RESOLVE
from quality.chaos.operator import ALLOWED_STATUSES, OnStatus, Operator, Shares, ignore
from quality.chaos.reconciliation import Posted

CREATE_TIMEOUT = timedelta(seconds=12)  # after which no create call is still running


class DeployedOperator(Operator):
    def __init__(self, target: Target, random: Random, counters: Counters) -> None:
        super().__init__(target.partner, random, counters, target.posted, Shares(erase=0.12, write=0.38))
        self.target = target

    def now(self) -> datetime:
        return datetime.now(UTC)

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        return self.target.table.delivery(lead_id, partner)

    def journey(self, lead_id: str) -> Journey | None:
        return self.target.table.journey(lead_id)

    def can_be_settled(self, delivery: Delivery) -> bool:
        return datetime.now(UTC) - (delivery.last_attempt_at or delivery.received_at) > CREATE_TIMEOUT

    def to_settle(self, posted: Posted) -> Iterable[Posted]:  # noqa: ARG002
        """A few of the leads in the lists of unknown, rejected, failed and duplicate ones."""
        people = {one.lead_id: one for one in list(self.posted)}
        for state in (State.UNKNOWN, State.REJECTED, State.FAILED, State.DUPLICATE, State.SKIPPED):
            answer = self._request("GET", "/leads", f"/leads?status={state.value}&limit=20")
            listed = [] if answer is None else answer.content.get("leads", [])
            for lead in self.random.sample(listed, min(3, len(listed))):
                if lead["lead_id"] in people:
                    yield people[lead["lead_id"]]

    def find_dead_workers(self) -> None:
        """Make the emulator find every dead worker of the operators' functions."""
        for _ in range(self.target.deaths):
            self.call("GET", "/leads")

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
        answer = self._request(method, resource, resource.format(**(place or {})), body, allowed)
        on(0 if answer is None else answer.status)

    def _request(
        self, method: str, resource: str, path: str, body: Any = None, allowed: frozenset[int] = ALLOWED_STATUSES
    ) -> Answer | None:
        """The answer. An unexpected one counts as a failure, unless a fault of this run explains it.

        A call without any answer is counted and not judged. The API answers 5xx when a function fails or times out, and
        the client waits for longer than that, so only the emulator leaves a call unanswered: when it waits for a worker
        that was killed. The final probe requires an answer to every call.
        """
        began, name = time.monotonic(), f"{method} {resource}"
        headers = {"Authorization": f"Bearer {self.target.stack.operator_token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = ask(method, self.target.stack.api_url + path, headers=headers, body=content)
        except HTTPError:
            self.counters.add("operators' calls without an answer")
            return None
        self.counters.add(f"operators answered {answer.status}")
        if resource == RESOLVE and answer.status == 503:
            return answer  # the partner does not answer now, and nothing was stored
        if answer.status not in allowed and not (answer.status >= 500 and self.target.explains(began)):
            self.counters.fail(name, f"answered {answer.status}: {answer.content.get('detail')}")
        return answer
