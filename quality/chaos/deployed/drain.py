"""The end of a run over the deployed stack: faults stop, secrets are stored, and the run waits until nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from leadbridge.domain.clock import to_text
from quality.chaos.checks.statistics import statistics_count_every_lead
from quality.chaos.deployed.operator import DeployedOperator
from quality.chaos.deployed.target import Target
from quality.chaos.final_probe import probes
from quality.chaos.reading import read
from quality.chaos.reconciliation import Snapshot
from quality.chaos.settling import unsettled

DRAIN_TIMEOUT = 300.0  # seconds
SEND_WINDOW = timedelta(seconds=30)  # more than a call to Leeloo takes on a busy machine
SOON = timedelta(seconds=12)


@dataclass
class Drain:
    target: Target
    operator: DeployedOperator
    log: Callable[[str], None]

    def stop_faults(self) -> None:
        self.target.proxy.open()
        self.target.partner.disarm()
        self.target.refusals.arm_again()
        self.target.put_late()
        self.operator.find_dead_workers()
        self.operator.resume_all()
        self.operator.redrive_all()

    def wait(self) -> None:
        """Return when nothing moves, or after `DRAIN_TIMEOUT`; then the checks report what still moves."""
        ends, logged_at = time.monotonic() + DRAIN_TIMEOUT, 0.0
        while time.monotonic() < ends:
            snapshot = self.snapshot()
            moving = unsettled(snapshot)
            if not moving:  # the statistics are up to a minute late
                moving["differences of the statistics"] = len(list(statistics_count_every_lead(snapshot)))
                moving = +moving
            self.operator.erase_the_rest()
            if not moving and not self.operator.to_be_erased:
                return
            if time.monotonic() - logged_at > 10:
                logged_at = time.monotonic()
                self.log("not settled: " + ", ".join(f"{number} {what}" for what, number in moving.items()))
            self._bring_due_dates_near()
            time.sleep(1)

    def probe_all(self) -> None:
        operator = self.operator
        for probe in probes(self.snapshot(), operator.random, operator.find_at_partner, operator.correction_body):
            operator.probe(probe)

    def snapshot(self) -> Snapshot:
        return read(
            self.target.stores,
            self.target.partner,
            self.target.posted,
            self.target.settings,
            to_be_erased=frozenset(self.operator.erased),
            failures=dict(self.operator.counters.failures),
            send_window=SEND_WINDOW,
            faulted_posts=None,
            now=datetime.now(UTC),
            index_key=str(self.target.secret("index")["key"]),
            posts=frozenset(self.target.posts),
            refused=list(self.target.refused.values()),
            corrections=list(self.operator.corrections.made),
            pauses=list(self.operator.pauses),
            is_in_real_time=True,
            added_partners=list(self.operator.added_partners),
        )

    def _bring_due_dates_near(self) -> None:
        """A lost message is retried when its item is due, in a quarter of an hour or more. Bring that near."""
        now = datetime.now(UTC)
        dynamodb, table = self.target.stack.client("dynamodb"), self.target.stores.table
        for values in self.target.stores.table_items():
            waits = values.get("state") in {"received", "pending"} and "due_at" in values
            if not waits or values["due_at"] <= to_text(now + SOON):
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
                        ":now": {"S": to_text(now + SOON)},
                        ":seen": {"S": values["due_at"]},
                        ":version": {"N": str(values["version"])},
                    },
                )
