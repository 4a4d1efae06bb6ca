"""An operator of the deployed stack, who goes by what the partner says it has; and one who acts in haste."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from urllib3.exceptions import HTTPError

from chaos.books import Posted
from chaos.deployed.world import QUEUES, World
from chaos.tally import Tally
from leadbridge.leads.delivery import Delivery, State
from local.form import ask

SURE = timedelta(seconds=12)  # after which no create that was begun is still on its way to the sandbox


@dataclass
class Desk:
    """What operators do to leads that they come across."""

    world: World
    random: Random
    tally: Tally
    written: int = 0
    to_be_erased: set[str] = field(default_factory=set)

    def acts(self) -> None:
        """One thing that operators do, to a lead by chance."""
        with self.world.lock:
            if not self.world.posted:
                return
            posted = self.random.choice(self.world.posted)
        with suppress(HTTPError):
            self._act(posted)

    def erase_the_rest(self) -> None:
        """Erase whoever is to be erased and was not heard to be."""
        headers = {"Authorization": f"Bearer {self.world.stack.operator_token}"}
        for lead_id in sorted(self.to_be_erased):
            with suppress(HTTPError):
                answer = ask("DELETE", f"{self.world.stack.api_url}/leads/{lead_id}", headers=headers)
                if answer.status == 204:
                    self.to_be_erased.discard(lead_id)

    def redrive_all(self) -> None:
        """Put every dead letter back on its way."""
        for queue in QUEUES:
            with suppress(HTTPError):
                self.world.operator.post(f"/dead-letters/{queue}/redrive", {})

    def _act(self, posted: Posted) -> None:
        operator, path = self.world.operator, f"/leads/{posted.lead_id}"
        drawn = self.random.random()
        if drawn < 0.12:
            self.tally.add("people erased")
            self.to_be_erased.add(posted.lead_id)
            self.erase_the_rest()
        elif drawn < 0.5:
            self.written += 1
            self.tally.add("messages written by hand")
            operator.post("/messages", {"lead_id": posted.lead_id, "text": f"Лист {self.written}"})
        elif drawn < 0.6:
            self.tally.add("dead letters put back")
            operator.post(f"/dead-letters/{self.random.choice(list(QUEUES))}/redrive", {})
        elif drawn < 0.7:
            self.tally.add("statuses asked for by hand")
            operator.post(f"{path}/deliveries/leadleader/check")
        else:
            self.settle_all()

    def settle_all(self) -> None:
        """Go through the list of what is unknown, rejected or failed."""
        for state in (State.UNKNOWN, State.REJECTED, State.FAILED):
            listed = self.world.operator.get(f"/leads?status={state.value}&limit=20").content.get("leads", [])
            for lead in self.random.sample(listed, min(3, len(listed))):
                with self.world.lock:
                    posted = next((one for one in self.world.posted if one.lead_id == lead["lead_id"]), None)
                for partner in lead["deliveries"] if posted else ():
                    delivery = self.world.table.delivery(lead["lead_id"], partner)
                    if posted is not None and delivery is not None:
                        self._settle(posted, delivery)

    def _settle(self, posted: Posted, delivery: Delivery) -> None:
        path = f"/leads/{delivery.lead_id}/deliveries/{delivery.partner}"
        match delivery.state:
            case State.UNKNOWN if self.random.random() < 0.15:
                self.tally.add("unknown ones sent again by hand")
                self.world.operator.post(f"{path}/retry", {"confirm": True})
            case State.UNKNOWN if datetime.now(UTC) - (delivery.last_attempt_at or delivery.received_at) > SURE:
                self.tally.add("unknown ones settled by hand")
                self.world.operator.post(f"{path}/resolve", self._truth(posted, delivery))
            case State.FAILED | State.REJECTED:
                self.tally.add("failed ones begun anew by hand")
                self.world.operator.post(f"{path}/retry", {})

    def _truth(self, posted: Posted, delivery: Delivery) -> dict[str, Any]:
        """What the partner tells who asks it by phone or e-mail."""
        if delivery.partner == "matchtrade":
            found = self.world.partner.accounts(posted.email)
            return {"account_uuid": found[0]["uuid"]} if found else {"outcome": "not_created"}
        with self.world.lock:
            theirs = {one.lead_id for one in self.world.posted if one.phone == posted.phone}
        known = {one.deal_id for lead_id in theirs if (one := self.world.table.delivery(lead_id, "leadleader"))}
        deals = [deal for deal in self.world.partner.deals() if posted.phone.endswith(deal["clientInfo"]["telephone"])]
        fresh = [deal for deal in deals if deal["deal_id"] not in known]
        return {"deal_id": fresh[0]["deal_id"]} if fresh else {"outcome": "not_created"}
