"""After the last fault: partners are there, secrets are right, and the run waits until nothing moves any more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from leadbridge.domain.clock import to_text
from leadbridge.settings import Settings
from quality.chaos.deployed.operator import Desk
from quality.chaos.deployed.world import World
from quality.chaos.final_probe import questions
from quality.chaos.reading import read
from quality.chaos.reconciliation import Books
from quality.chaos.settling import unsettled

DRAIN_TIMEOUT = 300.0  # seconds
UNDER_WAY = timedelta(seconds=30)  # more than a call to Leeloo takes, on a machine that has much to do
NEAR = timedelta(seconds=12)  # what is due no later comes by itself


@dataclass
class Drain:
    """Waits for the end, on conditions: it is over when the books say that nothing moves."""

    world: World
    desk: Desk
    settings: Settings
    say: Callable[[str], None]

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self.world.front.open()
        self.world.partner.disarm()
        self.world.refusals.arm_again()
        self.world.put_late()
        self.desk.wake()
        self.desk.redrive_all()

    def wait(self) -> None:
        """Return when nothing moves, or when patience ends: then the books tell what still does."""
        ends, told = time.monotonic() + DRAIN_TIMEOUT, 0.0
        while time.monotonic() < ends:
            moving = self._moving()
            self.desk.erase_the_rest()
            if not moving and not self.desk.to_be_erased:
                return
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self.say("still moving: " + ", ".join(f"{number} {what}" for what, number in moving.items()))
            self._let_time_pass()
            time.sleep(1)

    def ask_everything(self) -> None:
        """Have operators ask whatever they can, which is answered now."""
        for question in questions(self.books(), self.desk.random, self.desk.truth):
            self.desk.ask(question)

    def books(self) -> Books:
        """The books as they are now."""
        return read(
            self.world.stores,
            self.world.partner,
            self.world.posted,
            self.settings,
            to_be_erased=frozenset(self.desk.erased),
            failures=dict(self.desk.tally.failures),
            under_way=UNDER_WAY,
            struck_posts=None,
            now=datetime.now(UTC),
            index_key=str(self.world.secret("index")["key"]),
        )

    def _moving(self) -> Counter[str]:
        return unsettled(self.books())

    def _let_time_pass(self) -> None:
        """What was lost on its way comes up when it is due, a quarter of an hour or more from now: bring that near."""
        now = datetime.now(UTC)
        dynamodb, table = self.world.stack.client("dynamodb"), self.world.stores.table
        for values in self.world.stores.table_items():
            waits = values.get("state") in {"received", "pending"} and "due_at" in values
            if not waits or values["due_at"] <= to_text(now + NEAR):
                continue
            if values.get("next_attempt_at", "") > to_text(now):
                continue
            with suppress(ClientError):
                dynamodb.update_item(
                    TableName=table,
                    Key={"pk": {"S": values["pk"]}, "sk": {"S": values["sk"]}},
                    UpdateExpression="SET due_at = :now",
                    ConditionExpression="due_at = :seen AND version = :version",
                    ExpressionAttributeValues={
                        ":now": {"S": to_text(now + NEAR)},
                        ":seen": {"S": values["due_at"]},
                        ":version": {"N": str(values["version"])},
                    },
                )
