"""GET /partners: how the status checks of each partner keep up."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from leadbridge.api.routes import partners
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import confirm, start_attempt
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.check_progress import CheckProgress, CheckProgressRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import lead

HOUR = timedelta(hours=1)


@pytest.fixture
def request_(store: LeadRepository) -> Any:
    table = Table(aws.dynamodb(), TABLE)
    return SimpleNamespace(resources=SimpleNamespace(table=table, leads=store), operator="olena")


@pytest.fixture(autouse=True)
def _always_open(shipped_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lender = shipped_settings.partners["leadleader"].model_copy(update={"hours": ()})
    found = {**shipped_settings.partners, "leadleader": lender}
    monkeypatch.setattr(partners, "settings", lambda: shipped_settings.model_copy(update={"partners": found}))


def checks(request: Any) -> dict[str, Any]:
    return {one["name"]: one["checks"] for one in partners.list_partners(request)["partners"]}


def test_checks_that_have_not_begun_are_not_late(request_: Any) -> None:
    assert checks(request_) == {"leadleader": {"oldest_due_seconds": 0, "at_once": 16}, "matchtrade": None}


def test_checks_are_late_if_the_watermarks_stay_behind(request_: Any) -> None:
    progress = CheckProgressRepository(request_.resources.table, "leadleader")
    progress.save(CheckProgress(), {timedelta(minutes=30): utc_now() - 3 * HOUR})
    assert 8_500 < checks(request_)["leadleader"]["oldest_due_seconds"] <= 9_000


def test_checks_are_late_if_a_failed_one_is_not_retried(request_: Any, store: LeadRepository) -> None:
    now: datetime = utc_now()
    store.accept(lead(received_at=now), phone_hash=None)
    waiting = store.delivery(lead().lead_id, "leadleader")
    assert waiting is not None
    submitted = store.apply(confirm(store.apply(start_attempt(waiting, now, HOUR)), now, 1, is_followed=True))
    store.defer_check(submitted, now - HOUR, error=some_error("no answer"))
    assert 3_600 <= checks(request_)["leadleader"]["oldest_due_seconds"] < 3_700


def test_watermarks_are_stored_as_they_are_and_one_of_two_writers_wins(request_: Any) -> None:
    progress = CheckProgressRepository(request_.resources.table, "leadleader")
    marks = {timedelta(minutes=30): datetime.fromisoformat("2026-03-02T09:00:00.123+00:00")}
    first = progress.load()
    progress.save(first, marks)
    progress.save(first, {timedelta(minutes=30): utc_now()})
    assert progress.load() == CheckProgress(marks, 1)
    progress.save(progress.load(), {})
    assert progress.load() == CheckProgress({}, 2)
