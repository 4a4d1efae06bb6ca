"""How many statuses a worker reads in a second, and how many leads a day that is enough for.

A round is one batch of deals whose status does not change. The client is Lead Leader's own, with its encryption and
one-time tokens, over HTTP to a partner on this machine that takes 0.4 s for each call. The deliveries are in memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from leadbridge.domain import delivery as steps
from leadbridge.partners.leadleader.kind import client
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.checks.batch import BATCH, CheckBatch
from leadbridge.services.worker import Outcome
from quality.benchmarks.cadence import FORTNIGHT, most_checks, open_share
from quality.benchmarks.measurement import Measurement
from quality.benchmarks.shipped import CONCURRENCY, LENDER, parameter, schedule, settings
from quality.benchmarks.stack import json_server
from quality.testkit.clients.leadleader import Vault
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.people import lead
from quality.testkit.rsa_keys import PRIVATE, PUBLIC

CALL = 0.4  # seconds that the partner takes for one call
CALLS_PER_CHECK = 2  # a one-time token, and the status
STATUS = "В обробці"
LEADS_A_DAY = 50_000


def slow_partner(_operation: str, _request: Any) -> dict[str, str]:
    time.sleep(CALL)
    return {"access_token": "a", "security_token": "b", "status": STATUS}


def followed_deals(ledger: Ledger, number: int) -> tuple[str, ...]:
    """Store submitted deliveries whose status is known."""
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    leads = [lead(one) for one in range(1, number + 1)]
    for deal_id, one in enumerate(leads, 1):
        waiting = steps.new_delivery(one.lead_id, LENDER, one.source, now)
        started = steps.start_attempt(waiting, now, timedelta(minutes=1)).after
        submitted = steps.confirm(started, now, deal_id, is_followed=True).after
        ledger.put(replace(submitted, partner_status=STATUS))
    return tuple(one.lead_id for one in leads)


def seconds_per_batch(url: str, rounds: int) -> float:
    """Return the median time of a full batch."""
    secret = {"auth_url": url, "base_url": url, "email": "a@example.com", "password": "secret"}
    secret |= {"partner_public_key": PUBLIC, "private_key": PRIVATE}
    partner, ledger = settings().partners[LENDER], Ledger()
    deals = StatusByDeal(client(LENDER, Vault(lambda: secret, secret), partner.timeouts, settings=partner))
    checker = Checker(ledger, deals, partner, lambda: datetime.now(UTC))
    batch, taken = CheckBatch(LENDER, followed_deals(ledger, BATCH)), []
    for _ in range(rounds):
        began = time.monotonic()
        result = checker.process(batch, Budget(began + 120))
        taken.append(time.monotonic() - began)
        outcomes = {one.outcome for one in result.results.values()}
        if outcomes != {Outcome.UNCHANGED}:
            raise SystemExit(f"the checks ended as {outcomes}")
    return median(taken)


def measure(rounds: int) -> Iterator[Measurement]:
    at_once, workers = settings().partners[LENDER].checks_at_once, parameter(CONCURRENCY[LENDER])
    with json_server(slow_partner) as url:
        taken = seconds_per_batch(url, rounds)
    rate, checks, is_open = BATCH / taken, most_checks(schedule()), open_share(schedule())
    leads = rate * workers * is_open * 86_400 / checks
    once = FORTNIGHT.days * LEADS_A_DAY / rate / workers / 3600
    rows = (
        ("statuses that one worker reads at a time (`checks_at_once`)", str(at_once)),
        ("workers (`LeadLeaderConcurrency`)", str(workers)),
        (f"seconds for a batch of {BATCH} deals", f"{taken:.2f}"),
        ("statuses a second, by one worker", f"{rate:.1f}"),
        ("statuses a second, by all", f"{rate * workers:.0f}"),
        (f"most checks of a deal that is open for {FORTNIGHT.days} days", str(checks)),
        ("hours of a week in which the partner is open", f"{is_open * 7 * 24:.0f}"),
        (f"leads a day, if every deal is open for {FORTNIGHT.days} days", f"{leads:,.0f}"),
        ("hours to check all deals of 14 days once, at 50,000 leads a day", f"{once:.1f}"),
    )
    ratios = {
        "batch_of_ideal": taken / (-(-BATCH // at_once) * CALLS_PER_CHECK * CALL),
        "leads_a_day": LEADS_A_DAY / leads,
    }
    title = f"status checks of a partner that takes {CALL} s for a call"
    yield Measurement("checks", title, ("what", "value"), rows, ratios)
