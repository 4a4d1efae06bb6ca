"""Time beyond retention: months pass, deals change, DynamoDB deletes expired items late and in any order."""

from __future__ import annotations

from typing import Any

from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.final_probe import LEAD
from quality.chaos.in_process.chaos import Chaos
from quality.chaos.in_process.drain import Drain
from quality.chaos.in_process.scenes import followed
from quality.testkit.template import template

LEAPS = 4
LEAP = (0.25, 0.6)  # of the retention period, at least and at most
LATE = 0.4  # the share of expired items that DynamoDB leaves for the next time
DAY = 86_400

# The checks that still apply after parts of leads have expired.
CHECKS = (
    "nothing_is_in_flight",
    "failures_have_a_cause",
    "leads_leave_last",
    "messages_come_in_their_order",
    "the_last_message_is_the_newest",
    "the_last_status_is_known",
    "erased_people_are_forgotten",
    "erased_people_are_written_to_no_more",
)


class Retention:
    """What happens in the months after a run."""

    def __init__(self, run: Chaos, drain: Drain) -> None:
        self.run, self.drain = run, drain

    def pass_(self) -> None:
        """Let months pass, in which some deals change and some messages are written; then erase everybody."""
        days = int(template()["Parameters"]["RetentionDays"]["Default"])
        for _ in range(LEAPS):
            self.run.time.pass_(self.run.random.uniform(*LEAP) * days * DAY)
            self._expire()
            self._move()
            self.drain.come_to_rest()
        self._expire()
        for lead_id in sorted({posted.lead_id for posted in self.run.posted}):
            self._read(lead_id)
            self._erase(lead_id)
        self.drain.come_to_rest()

    def _expire(self) -> None:
        """Let DynamoDB delete what has expired, some of it late, in any order."""
        now = self.run.time.seconds()
        gone = [values for values in self.drain.stores.table_items() if values.get("expires_at", now) < now]
        self.run.random.shuffle(gone)
        for values in gone:
            if self.run.random.random() >= LATE:
                self.run.tally.add("items that expired")
                key = items.encode({"pk": values["pk"], "sk": values["sk"]})
                aws.dynamodb().delete_item(TableName="Leads", Key=key)

    def _move(self) -> None:
        """Some of the deals that are followed change their status, and an operator writes to some people."""
        random = self.run.random
        for delivery in followed(self.drain.books()):
            if random.random() < 0.5:
                self.run.tally.add("statuses that change after months")
                self.run.scenes.change_status(delivery)
        for lead_id in sorted({posted.lead_id for posted in random.sample(self.run.posted, 2)}):
            self.run.operator.call("POST", "/messages", {"lead_id": lead_id, "text": f"Лист через місяці {lead_id}"})

    def _read(self, lead_id: str) -> None:
        """An operator reads a lead: 200 if it exists, 404 if it has expired."""

        def hear(answer: Any) -> None:
            expected = 200 if self._is_there(lead_id) else 404
            if answer is not None and answer["statusCode"] != expected:
                self.run.tally.fail("GET /leads/{lead_id}", f"answered {answer['statusCode']}, should be {expected}")

        self.run.operator.call("GET", LEAD, pathParameters={"lead_id": lead_id}, hear=hear)

    def _erase(self, lead_id: str) -> None:
        """An operator erases what remains of a lead, also if its own item has expired."""
        is_left = bool(self._left(lead_id))
        if not self._is_there(lead_id):
            self.run.operator.expired.add(lead_id)

        def hear(answer: Any) -> None:
            if answer is None:
                return
            if answer["statusCode"] == 204:
                self.run.operator.erased.add(lead_id)
            elif is_left:
                self.run.tally.fail("DELETE /leads/{lead_id}", f"answered {answer['statusCode']}, and items are left")

        self.run.operator.call("DELETE", LEAD, pathParameters={"lead_id": lead_id}, hear=hear)

    def _is_there(self, lead_id: str) -> bool:
        return any(values["sk"] == "LEAD" for values in self._left(lead_id))

    def _left(self, lead_id: str) -> list[dict[str, Any]]:
        return [values for values in self.drain.stores.table_items() if values["pk"] == f"LEAD#{lead_id}"]
