"""An operator of the deployed stack, who goes by what the partner says it has; and one who acts in haste."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from urllib3.exceptions import HTTPError

from devstack.commands.form import Answer, ask
from devstack.sandbox.profile import profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.partners.registry import kind_named
from quality.chaos.counters import Tally
from quality.chaos.deployed.world import World
from quality.chaos.final_probe import CHECK, REDRIVE, RESOLVE, RETRY, Question, hear
from quality.chaos.reconciliation import Posted
from quality.testkit.wiring import queues

NAMED = frozenset({200, 202, 204, 404, 409})
SURE = timedelta(seconds=12)  # after which no create that was begun is still on its way to the sandbox


@dataclass
class Desk:
    """What operators do to leads that they come across."""

    world: World
    random: Random
    tally: Tally
    written: int = 0
    to_be_erased: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    def acts(self) -> None:
        """One thing that operators do, to a lead by chance."""
        with self.world.lock:
            if not self.world.posted:
                return
            posted = self.random.choice(self.world.posted)
        self._act(posted)

    def erase_the_rest(self) -> None:
        """Erase whoever is to be erased and was not heard to be."""
        for lead_id in sorted(self.to_be_erased):
            answer = self._asked("DELETE /leads/{lead_id}", partial(self._delete, lead_id))
            if answer is not None and answer.status == 204:
                self.to_be_erased.discard(lead_id)

    def ask(self, question: Question) -> None:
        """Ask something in calm, and see that it is answered."""
        operator, path = self.world.operator, question.resource.format(**question.place)
        try:
            match question.method:
                case "GET":
                    status = operator.get(path).status
                case "DELETE":
                    self.erased.add(question.place["lead_id"])
                    status = self._delete(question.place["lead_id"]).status
                case _:
                    status = operator.post(path, question.body).status
        except HTTPError:
            status = 0
        hear(question, status, self.tally)

    def truth(self, delivery: Delivery) -> dict[str, Any]:
        """What the partner tells of a lead's person."""
        return self._truth(next(one for one in self.world.posted if one.lead_id == delivery.lead_id), delivery)

    def wake(self) -> None:
        """Have the emulator find every worker of the operators' that is dead."""
        for _ in range(self.world.deaths):
            self._asked("GET /leads", partial(self.world.operator.get, "/leads?limit=1"))

    def redrive_all(self) -> None:
        """Put every dead letter back on its way."""
        for queue in queues():
            self._post(REDRIVE, {}, queue=queue)

    def _post(self, resource: str, body: dict[str, Any] | None = None, **place: str) -> None:
        path = resource.format(**place)
        self._asked(f"POST {resource}", partial(self.world.operator.post, path, body))

    def _delete(self, lead_id: str) -> Answer:
        headers = {"Authorization": f"Bearer {self.world.stack.operator_token}"}
        return ask("DELETE", f"{self.world.stack.api_url}/leads/{lead_id}", headers=headers)

    def _asked(self, name: str, question: Callable[[], Answer]) -> Answer | None:
        """Make a call and return its answer; note what is wrong with it, unless a disturbance of the stack explains it.

        A call without any answer is counted and not judged. The API answers 5xx when a function fails or times out, and
        the client waits for longer than that, so only the emulator leaves a call unanswered. It does so when it waits
        for a worker that was killed. The final probe requires an answer to every call.
        """
        began = time.monotonic()
        try:
            answer = question()
        except HTTPError:
            self.tally.add("operators' calls without an answer")
            return None
        self.tally.add(f"operators answered {answer.status}")
        if name.endswith(RESOLVE) and answer.status == 503:
            return answer  # the partner cannot be asked at this moment, and nothing was stored
        if answer.status not in NAMED and not (answer.status >= 500 and self.world.explains(began)):
            self.tally.fail(name, f"answered {answer.status}: {answer.content.get('detail')}")
        return answer

    def _act(self, posted: Posted) -> None:
        drawn = self.random.random()
        if drawn < 0.12:
            self.tally.add("people erased")
            self.to_be_erased.add(posted.lead_id)
            self.erased.add(posted.lead_id)
            self.erase_the_rest()
        elif drawn < 0.5:
            self.written += 1
            self.tally.add("messages written by hand")
            self._post("/messages", {"lead_id": posted.lead_id, "text": f"Лист {self.written}"})
        elif drawn < 0.6:
            self.tally.add("dead letters put back")
            self._post(REDRIVE, {}, queue=self.random.choice(list(queues())))
        elif drawn < 0.7:
            self.tally.add("statuses asked for by hand")
            self._post(CHECK, lead_id=posted.lead_id, partner=self.random.choice(list(profiles())))
        else:
            self.settle_all()

    def settle_all(self) -> None:
        """Go through the list of what is unknown, rejected, failed or a duplicate."""
        for state in (State.UNKNOWN, State.REJECTED, State.FAILED, State.DUPLICATE):
            path = f"/leads?status={state.value}&limit=20"
            answer = self._asked("GET /leads", partial(self.world.operator.get, path))
            listed = [] if answer is None else answer.content.get("leads", [])
            for lead in self.random.sample(listed, min(3, len(listed))):
                with self.world.lock:
                    posted = next((one for one in self.world.posted if one.lead_id == lead["lead_id"]), None)
                for partner in lead["deliveries"] if posted else ():
                    delivery = self.world.table.delivery(lead["lead_id"], partner)
                    if posted is not None and delivery is not None:
                        self._settle(posted, delivery)

    def _settle(self, posted: Posted, delivery: Delivery) -> None:
        place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
        match delivery.state:
            case State.UNKNOWN if self.random.random() < 0.15:
                self.tally.add("unknown ones sent again by hand")
                self._post(RETRY, {"confirm": True}, **place)
            case State.UNKNOWN if datetime.now(UTC) - (delivery.last_attempt_at or delivery.received_at) > SURE:
                self.tally.add("unknown ones settled by hand")
                self._post(RESOLVE, self._truth(posted, delivery), **place)
            case State.FAILED | State.REJECTED | State.DUPLICATE:
                self.tally.add("failed ones begun anew by hand")
                self._post(RETRY, {}, **place)

    def _truth(self, posted: Posted, delivery: Delivery) -> dict[str, Any]:
        """What the partner tells who asks it by phone or e-mail."""
        with self.world.lock:
            theirs = {one.lead_id for one in self.world.posted if one.phone == posted.phone}
        found = (self.world.table.delivery(lead_id, delivery.partner) for lead_id in theirs)
        known = {one.created for one in found if one is not None and one.created is not None}
        created = profiles()[delivery.partner].find(self.world.partner, posted, known)
        return {"outcome": "not_created"} if created is None else {kind_named(delivery.partner).id.field: created}
