"""An operator at work while all goes wrong: settles, retries, asks, writes, erases, puts letters back. Never lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from devstack.sandbox.profile import profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.partners.registry import kind_named
from quality.chaos.final_probe import CHECK, QUEUES, REDRIVE, RESOLVE, RETRY, Question, hear
from quality.chaos.in_process.secrets import TOKEN
from quality.chaos.reconciliation import Posted

if TYPE_CHECKING:
    from quality.chaos.in_process.chaos import Chaos

BEARER = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
NAMED = frozenset({200, 202, 204, 404, 409})  # 5xx are judged by what became of the worker


class Operator:
    """Somebody with a token, who looks at a lead by chance and does what is to be done with it."""

    def __init__(self, run: Chaos) -> None:
        self.run = run
        self.written = 0
        self.to_be_erased: list[str] = []
        self.expired: set[str] = set()  # leads whose own item had left the table before they were erased
        self.erased: set[str] = set()

    def ask(self, question: Question) -> None:
        """Ask something in calm, and see that it is answered."""
        if question.method == "DELETE":
            self.erased.add(question.place["lead_id"])

        def heard(answer: Any) -> None:
            hear(question, 0 if answer is None else answer["statusCode"], self.run.tally)

        place = question.place or None
        self.call(question.method, question.resource, question.body, pathParameters=place, hear=heard)

    def acts(self) -> None:
        """One thing that operators do."""
        random = self.run.random
        if not self.run.posted:
            return
        posted = random.choice(self.run.posted)
        place = {"lead_id": posted.lead_id}
        drawn = random.random()
        if drawn < 0.04:
            self.run.tally.add("people erased")
            self._erase(posted.lead_id)
        elif drawn < 0.2:
            self.written += 1
            self.run.tally.add("messages written by hand")
            self.call("POST", "/messages", {"lead_id": posted.lead_id, "text": f"Лист {self.written}"})
        elif drawn < 0.3:
            self.run.tally.add("dead letters put back")
            self._redrive(random.choice(QUEUES))
        elif drawn < 0.4:
            for partner in profiles():
                self.call("POST", CHECK, pathParameters={**place, "partner": partner})
        else:
            self._settle(posted)

    def erase_the_rest(self) -> None:
        """Whose erasure was not heard to be done is erased once more."""
        for lead_id in list(self.to_be_erased):
            self._erase(lead_id)

    def _erase(self, lead_id: str) -> None:
        self.erased.add(lead_id)
        if lead_id not in self.to_be_erased:
            self.to_be_erased.append(lead_id)

        def hear(answer: Any) -> None:
            if answer is not None and answer["statusCode"] == 204 and lead_id in self.to_be_erased:
                self.to_be_erased.remove(lead_id)

        self.call("DELETE", "/leads/{lead_id}", hear=hear, pathParameters={"lead_id": lead_id})

    def redrive_all(self) -> None:
        """What a partner's new secret makes possible again."""
        for queue in QUEUES:
            self._redrive(queue)

    def _settle(self, posted: Posted) -> None:
        """Have what failed sent again, and settle what is unknown, by what the partner says it has."""
        for partner in profiles():
            delivery = self.run.stack.store.delivery(posted.lead_id, partner)
            if delivery is None:
                continue
            place = {"lead_id": posted.lead_id, "partner": partner}
            if delivery.state is State.UNKNOWN and not self.run.stage.frozen:
                if self.run.random.random() < 0.2:
                    self.run.tally.add("unknown ones sent again by hand")
                    self.call("POST", RETRY, {"confirm": True}, pathParameters=place)
                else:
                    self.run.tally.add("unknown ones settled by hand")
                    self.call("POST", RESOLVE, self._truth(delivery, posted), pathParameters=place)
            elif delivery.state in {State.FAILED, State.REJECTED, State.DUPLICATE}:
                self.run.tally.add("failed ones begun anew by hand")
                self.call("POST", RETRY, {}, pathParameters=place)

    def truth(self, delivery: Delivery) -> dict[str, Any]:
        """What the partner tells of a lead's person."""
        return self._truth(delivery, next(one for one in self.run.posted if one.lead_id == delivery.lead_id))

    def _truth(self, delivery: Delivery, posted: Posted) -> dict[str, Any]:
        """What the partner tells an operator who asks about this person."""
        created = profiles()[delivery.partner].find(self.run.partner, posted, self._known(delivery.partner))
        return {"outcome": "not_created"} if created is None else {kind_named(delivery.partner).id.field: created}

    def _known(self, partner: str) -> set[int | str]:
        """The partner's ids that some delivery of ours has."""
        found = (self.run.stack.store.delivery(posted.lead_id, partner) for posted in self.run.posted)
        return {one.created for one in found if one is not None and one.created is not None}

    def _redrive(self, queue: str) -> None:
        self.call("POST", REDRIVE, {}, pathParameters={"queue": queue})

    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        *,
        pathParameters: dict[str, str] | None = None,  # noqa: N803 - the gateway's own name
        hear: Callable[[Any], None] = lambda _: None,
    ) -> None:
        """Call a route."""
        text = None if body is None else json.dumps(body)

        def ask() -> Any:
            return self.run.stack.ask(method, resource, text, headers=BEARER, pathParameters=pathParameters)

        def check(answer: Any) -> None:
            hear(answer)
            if answer is not None:
                self.run.tally.add(f"operators answered {answer['statusCode']}")
            if answer is not None and answer["statusCode"] < 500 and answer["statusCode"] not in NAMED:
                self.run.tally.fail(f"{method} {resource}", f"answered {answer['statusCode']}: {answer['body']}")

        self.run.work("ManageLeads", ask, check, name=f"{method} {resource}")
