"""What is told of a fetch, by whom it is heard, and what the worker does with its messages."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import fetch as steps
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.events import FetchChanged, InvalidEvent, read_fetch_changed
from leadbridge.domain.fetch import Fetch, FetchState, new_fetch
from leadbridge.domain.lead import Lead
from leadbridge.domain.transitions import Conflict, ImpossibleTransition
from leadbridge.runtime import aws
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.fetches import FetchRepository, fetch_item, fetch_of
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.stream import event_of
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, message, queue
from quality.testkit.people import NOW
from quality.testkit.template import ROOT, template
from tools.config import read_toml
from tools.config.checks import wrongs_in

HOUR = timedelta(hours=1)
NEW = new_fetch("ld_x", "meta-credit", {"leadgen_id": "77"}, NOW)
WAITING = steps.schedule_retry(NEW, NOW, some_error("away"), HOUR).after


@pytest.mark.parametrize(
    "fetch", [NEW, WAITING, steps.complete(NEW, NOW).after, steps.fail(WAITING, NOW, some_error("x")).after]
)
def test_a_fetch_is_read_as_it_was_written(fetch: Fetch) -> None:
    assert fetch_of(items.decode(items.encode(fetch_item(fetch)))) == fetch


@pytest.mark.parametrize("step", [steps.complete, steps.complete_test])
def test_what_is_over_is_over(step: Callable[..., steps.FetchChange]) -> None:
    over = step(NEW, NOW).after
    with pytest.raises(ImpossibleTransition):
        steps.schedule_retry(over, NOW, some_error("away"), HOUR)
    with pytest.raises(ImpossibleTransition):
        steps.refetch(over, NOW, "by olena")


def test_the_slower_of_two_writers_gets_a_conflict(store: LeadRepository) -> None:
    empty = Lead(lead_id="ld_x", source="meta-credit", received_at=NOW, partners=())
    store.accept(empty, phone_hash=None, fetch=NEW)
    arrivals = FetchRepository(Table(aws.dynamodb(), TABLE))
    arrivals.apply(steps.schedule_retry(NEW, NOW, some_error("away"), HOUR))
    with pytest.raises(Conflict):
        arrivals.apply(steps.fail(NEW, NOW, some_error("away")))
    with pytest.raises(Conflict):
        arrivals.complete(steps.complete(NEW, NOW), empty, [], phone_hash=None, email_hash=None, tax_hash=None)


def test_a_fetch_is_announced_without_what_the_builder_calls_the_lead() -> None:
    event = event_of({"eventName": "INSERT", "dynamodb": {"NewImage": items.encode(fetch_item(NEW))}}, str)
    assert event == FetchChanged.of(NEW)
    assert event is not None
    assert "77" not in json.dumps(event.detail())
    assert read_fetch_changed({"detail-type": "FetchChanged", "detail": event.detail()}) == event


@pytest.mark.parametrize("envelope", [None, {}, {"detail-type": "DeliveryChanged"}, {"detail-type": "FetchChanged"}])
def test_an_event_that_is_none_of_ours_is_refused(envelope: Any) -> None:
    with pytest.raises(InvalidEvent):
        read_fetch_changed(envelope)


def test_the_rule_takes_new_and_asked_for_fetches_to_the_queue_and_no_others() -> None:
    def matches(fetch: Fetch) -> bool:
        pattern = template()["Resources"]["FetchRule"]["Properties"]["EventPattern"]
        assert pattern["detail-type"] == ["FetchChanged"]
        detail = FetchChanged.of(fetch).detail()
        return all(detail[name] in wanted for name, wanted in pattern["detail"].items())

    failed = steps.fail(WAITING, NOW, some_error("away")).after
    assert matches(NEW)
    assert not matches(WAITING), "what brings it back is in the queue already"
    assert not matches(steps.complete(NEW, NOW).after)
    assert not matches(failed)
    assert matches(steps.refetch(failed, NOW, "by olena").after)


@pytest.fixture
def app(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    monkeypatch.setenv("QUEUE_URL", queue("fetch"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead"))
    return function("fetch_lead")


def test_the_worker_visits_the_lead_that_its_message_names(
    app: ModuleType,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Fetcher:
        def process(self, lead_id: str, budget: Any, *, overdue: bool) -> Result:
            assert (lead_id, 50 < budget.left < 60) == ("ld_x", True)
            if overdue:
                return Result(Outcome.FETCHED)
            return Result(Outcome.RETRIED, HOUR, partner_errors.Misconfigured("graph", "lead", "not taken"))

    hidden = []
    monkeypatch.setattr(app, "fetcher", Fetcher)
    monkeypatch.setattr(
        aws.sqs(), "change_message_visibility", lambda **given: hidden.append(given["VisibilityTimeout"])
    )
    changed = message(1, {"detail-type": "FetchChanged", "detail": FetchChanged.of(NEW).detail()})
    overdue = message(2, {"lead_id": "ld_x", "overdue": True})
    assert app.handler({"Records": [changed, overdue]}, context) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert hidden == [3600]
    said = capsys.readouterr().out
    assert "PartnerMisconfigured" in said
    assert "Fetch.retried" in said
    assert "Fetch.fetched" in said


def test_the_worker_is_wired_to_the_table_and_buries_with_lead_step_and_reason(app: ModuleType) -> None:
    assert app.fetcher().ledger.fetch("ld_x") is None
    app.dead_letter(NEW, some_error("away"))
    [letter] = aws.sqs().receive_message(QueueUrl=queue("dead"))["Messages"]
    assert json.loads(letter["Body"]) == {
        "lead_id": "ld_x",
        "step": "fetch",
        "reason": "away",
        "reason_code": "unavailable",
    }
    assert app.origin("meta-credit").seconds_per_fetch == 36.0
    with pytest.raises(LookupError):
        app.origin("web")


def test_find_due_queues_a_lead_that_was_not_fetched(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL"):
        monkeypatch.setenv(variable, queue(variable))
    empty = Lead(lead_id="ld_x", source="meta-credit", received_at=NOW, partners=())
    store.accept(empty, phone_hash=None, fetch=NEW)
    assert function("find_due").handler({}, context) == {"queued": 1}
    [found] = aws.sqs().receive_message(QueueUrl=queue("FETCH_QUEUE_URL"))["Messages"]
    assert json.loads(found["Body"]) == {"lead_id": "ld_x", "overdue": True}


def test_how_leads_are_fetched_is_configured_where_they_are_and_nowhere_else() -> None:
    def wrongs(name: str, fetch: object) -> list[str]:
        tables = read_toml(ROOT / "config", "prod")
        tables["sources"][name] |= {"fetch": fetch}
        if fetch is None:
            del tables["sources"][name]["fetch"]
        return [str(wrong) for wrong in wrongs_in(tables, "prod")]

    fetch = read_toml(ROOT / "config", "prod")["sources"]["meta-credit"]["fetch"]
    assert wrongs("meta-credit", fetch) == []
    for name, given in (("meta-credit", None), ("web", fetch)):
        (wrong,) = wrongs(name, given)
        assert wrong.startswith(f"source {name}: a section [….fetch] goes with forms")


def test_a_fetch_represents_a_state_only_where_there_are_no_deliveries() -> None:
    standing = {state: replace(NEW, state=state).lead_state for state in FetchState}
    assert {state.value: stands and stands.value for state, stands in standing.items()} == {
        "pending": "received",
        "fetched": None,
        "test": "closed",
        "failed": "failed",
    }
