"""Time beyond retention: months pass, deals change, and DynamoDB deletes expired items late and in any order."""

from __future__ import annotations

from typing import Any

from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.final_probe import LEAD
from quality.chaos.in_process.chaos import Chaos
from quality.chaos.in_process.drain import Drain
from quality.chaos.partner_statuses import is_followed, other_status, put_status, status_at
from quality.testkit.template import template

STEPS = 4
STEP = (0.25, 0.6)  # of the retention period, at least and at most
LATE = 0.4  # the share of expired items that DynamoDB deletes later
DAY = 86_400

# The checks that still apply after parts of leads have expired.
CHECKS = (
    "nothing_is_in_transit",
    "failures_are_explained",
    "leads_expire_last",
    "messages_are_in_order",
    "last_message_is_newest",
    "last_status_is_known",
    "erased_people_leave_no_data",
    "erased_people_get_no_messages",
)


class Retention:
    """The months after a run."""

    def __init__(self, run: Chaos, drain: Drain) -> None:
        self.run, self.drain = run, drain

    def advance(self) -> None:
        """Let months pass, in which some deals change and some messages are written; then erase everybody."""
        days = int(template()["Parameters"]["RetentionDays"]["Default"])
        for _ in range(STEPS):
            self.run.time.advance(self.run.random.uniform(*STEP) * days * DAY)
            self._expire()
            self._change()
            self.drain.wait_until_settled()
        self._expire()
        for lead_id in sorted({posted.lead_id for posted in self.run.posted}):
            self._read(lead_id)
            self._erase(lead_id)
        self.drain.wait_until_settled()

    def _expire(self) -> None:
        """Delete most of the expired items, in any order."""
        now = self.run.time.seconds()
        expired = [values for values in self.drain.stores.table_items() if values.get("expires_at", now) < now]
        self.run.random.shuffle(expired)
        for values in expired:
            if self.run.random.random() >= LATE:
                self.run.counters.add("items that expired")
                key = items.encode({"pk": values["pk"], "sk": values["sk"]})
                aws.dynamodb().delete_item(TableName="Leads", Key=key)

    def _change(self) -> None:
        """Change the status of some followed deals, and write to some people."""
        run, random = self.run, self.run.random
        records = self.drain.snapshot().leads.values()
        for delivery in [one for record in records for one in record.deliveries.values() if is_followed(one)]:
            if random.random() < 0.5:
                run.counters.add("statuses that change after months")
                put_status(run.partner, delivery, other_status(random, delivery, status_at(run.partner, delivery)))
        for lead_id in sorted({posted.lead_id for posted in random.sample(run.posted, 2)}):
            run.operator.call("POST", "/messages", {"lead_id": lead_id, "text": f"Лист через місяці {lead_id}"})

    def _read(self, lead_id: str) -> None:
        """An operator reads a lead: 200 if it exists, 404 if it has expired."""

        def check(status: int) -> None:
            expected = 200 if self._exists(lead_id) else 404
            if status not in {0, expected}:
                self.run.counters.fail("GET /leads/{lead_id}", f"answered {status}, expected {expected}")

        self.run.operator.call("GET", LEAD, place={"lead_id": lead_id}, on=check)

    def _erase(self, lead_id: str) -> None:
        """An operator erases what remains of a lead, also if its own item has expired."""
        has_items = bool(self._items(lead_id))
        if not self._exists(lead_id):
            self.run.operator.expired.add(lead_id)

        def check(status: int) -> None:
            if status == 204:
                self.run.operator.erased.add(lead_id)
            elif status and has_items:
                self.run.counters.fail("DELETE /leads/{lead_id}", f"answered {status}, and items remain")

        self.run.operator.call("DELETE", LEAD, place={"lead_id": lead_id}, on=check)

    def _exists(self, lead_id: str) -> bool:
        return any(values["sk"] == "LEAD" for values in self._items(lead_id))

    def _items(self, lead_id: str) -> list[dict[str, Any]]:
        return [values for values in self.drain.stores.table_items() if values["pk"] == f"LEAD#{lead_id}"]
