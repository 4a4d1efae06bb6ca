"""How many statuses a worker reads in a second, and how many leads a day that is enough for.

python -m quality.benchmarks.checks [--rounds 2]

A round is one batch of deals whose status does not change. The client is Lead Leader's own, with its encryption and
one-time tokens, over HTTP to a partner on this machine that takes 0.4 s for each call. The deliveries are in memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from typing import Any

from leadbridge.domain import delivery as steps
from leadbridge.partners.leadleader.kind import client
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.checks.batch import BATCH, CheckBatch
from leadbridge.services.worker import Outcome
from leadbridge.settings import Partner, Settings
from quality.benchmarks.cadence import FORTNIGHT, MONDAY, most_checks
from quality.benchmarks.measurement import Measurement, run_alone
from quality.testkit.clients.leadleader import Vault
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.people import lead
from quality.testkit.rsa_keys import PRIVATE, PUBLIC
from quality.testkit.template import ROOT, template
from tools.config import read_toml

ROUNDS = 2
PARTNER = "leadleader"
CALL = 0.4  # seconds that the partner takes for one call
CALLS_PER_CHECK = 2  # a one-time token, and the status
STATUS = "В обробці"
LEADS_A_DAY = 50_000


class SlowPartner(BaseHTTPRequestHandler):
    """Answers every call after the same time."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send headers and body together: otherwise the kernel delays the body by 40 ms

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(CALL)
        body = json.dumps({"access_token": "a", "security_token": "b", "status": STATUS}, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing."""


class PartnerServer(ThreadingHTTPServer):
    """Accepts all connections of a worker at once."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def slow_partner() -> Iterator[str]:
    with PartnerServer(("127.0.0.1", 0), SlowPartner) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def shipped() -> Partner:
    return Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[PARTNER]


def workers() -> int:
    return int(template()["Parameters"]["LeadLeaderConcurrency"]["Default"])


def followed_deals(ledger: Ledger, number: int) -> tuple[str, ...]:
    """Store submitted deliveries whose status is known."""
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    leads = [lead(one) for one in range(1, number + 1)]
    for deal_id, one in enumerate(leads, 1):
        waiting = steps.new_delivery(one.lead_id, PARTNER, one.source, now)
        started = steps.start_attempt(waiting, now, timedelta(minutes=1)).after
        submitted = steps.confirm(started, now, deal_id, is_followed=True).after
        ledger.put(replace(submitted, partner_status=STATUS))
    return tuple(one.lead_id for one in leads)


def seconds_per_batch(url: str, rounds: int) -> float:
    """Return the median time of a full batch."""
    secret = {"auth_url": url, "base_url": url, "email": "a@example.com", "password": "secret"}
    secret |= {"partner_public_key": PUBLIC, "private_key": PRIVATE}
    settings, ledger = shipped(), Ledger()
    deals = StatusByDeal(client(PARTNER, Vault(lambda: secret, secret), settings.timeouts, settings=settings))
    checker = Checker(ledger, deals, settings, lambda: datetime.now(UTC))
    batch, taken = CheckBatch(PARTNER, followed_deals(ledger, BATCH)), []
    for _ in range(rounds):
        began = time.monotonic()
        result = checker.process(batch, Budget(began + 120))
        taken.append(time.monotonic() - began)
        outcomes = {one.outcome for one in result.results.values()}
        if outcomes != {Outcome.UNCHANGED}:
            raise RuntimeError(f"the checks ended as {outcomes}")
    return median(taken)


def open_seconds_a_week(settings: Partner) -> float:
    """Return the seconds of a week in which the partner is open."""
    schedule = settings.check_schedule
    if schedule is None:
        raise RuntimeError("the partner has no schedule")
    minutes = [MONDAY + timedelta(minutes=number) for number in range(7 * 24 * 60)]
    return 60.0 * sum(schedule.hours.last_open(one) == one for one in minutes)


def measure(rounds: int) -> Iterator[Measurement]:
    settings = shipped()
    schedule, number = settings.check_schedule, settings.checks_at_once
    if schedule is None:
        raise RuntimeError("the partner has no schedule")
    with slow_partner() as url:
        taken = seconds_per_batch(url, rounds)
    waves = -(-BATCH // number)
    rate = BATCH / taken
    checks = most_checks(schedule)
    leads = rate * workers() * open_seconds_a_week(settings) / 7 / checks
    rows = (
        ("statuses that one worker reads at a time (`checks_at_once`)", str(number)),
        ("workers (`LeadLeaderConcurrency`)", str(workers())),
        (f"seconds for a batch of {BATCH} deals", f"{taken:.2f}"),
        ("statuses a second, by one worker", f"{rate:.1f}"),
        ("statuses a second, by all", f"{rate * workers():.0f}"),
        (f"most checks of a deal that is open for {FORTNIGHT.days} days", str(checks)),
        ("hours of a week in which the partner is open", f"{open_seconds_a_week(settings) / 3600:.0f}"),
        (f"leads a day, if every deal is open for {FORTNIGHT.days} days", f"{leads:,.0f}"),
        (
            "hours to check all deals of 14 days once, at 50,000 leads a day",
            f"{14 * LEADS_A_DAY / rate / workers() / 3600:.1f}",
        ),
    )
    ratios = {
        "batch_of_ideal": taken / (waves * CALLS_PER_CHECK * CALL),
        "leads_a_day": LEADS_A_DAY / leads,
    }
    title = f"status checks of a partner that takes {CALL} s for a call"
    yield Measurement("checks", title, ("what", "value"), rows, ratios)


if __name__ == "__main__":
    raise SystemExit(run_alone(measure, rounds=ROUNDS, described=__doc__))
