"""What operators may do to a lead: in the wrong state, twice, two of them at once, and what is left of the erased."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.resources import Resources
from leadbridge.domain import delivery as steps
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import status_notification
from leadbridge.domain.recipient import Contact
from leadbridge.domain.routing.intake import Refusal, end_refused
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.submission_rules import RepeatPolicy
from leadbridge.settings import Settings
from leadbridge.storage.items import decode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fakes.registers import Knows
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead

LEAD = lead()
MINUTE = timedelta(minutes=1)
Ask = Callable[..., tuple[int, dict[str, Any]]]

PATHS = {
    "retry": "/leads/{lead_id}/deliveries/{partner}/retry",
    "resolve": "/leads/{lead_id}/deliveries/{partner}/resolve",
    "erase": "/leads/{lead_id}",
}


@pytest.fixture
def app(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": "k"}))
    assert store.accept(LEAD, phone_hash="phone", email_hash="email", tax_hash="tax") is None
    module = function("manage_leads")
    monkeypatch.setattr(Resources, "register", lambda *_: Knows())
    return module


@pytest.fixture
def ask(app: ModuleType, context: Context) -> Ask:
    def send(what: str, body: object = None, *, partner: str = "leadleader", lead_id: str = LEAD.lead_id) -> Any:
        event = {
            "httpMethod": "DELETE" if what == "erase" else "GET" if what == "show" else "POST",
            "resource": PATHS.get(what, "/leads/{lead_id}"),
            "pathParameters": {"lead_id": lead_id, "partner": partner},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": None if body is None else json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"] or "{}")

    return send


def delivery(store: LeadRepository) -> Delivery:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found


def bring(store: LeadRepository, state: State) -> Delivery:
    """Bring the delivery into a state, as its flow would."""
    if state is State.RECEIVED:
        return delivery(store)
    if state is State.FAILED:
        return store.apply(steps.fail(delivery(store), NOW, some_error("spent")))
    if state is State.SKIPPED:
        skipped = end_refused(delivery(store), NOW, Refusal(WaitReason.CLOSED, None, "next"), lambda _: "matchtrade")
        assert skipped is not None
        return store.apply(skipped)
    begun = store.apply(steps.start_attempt(delivery(store), NOW, MINUTE))
    ends: dict[State, Callable[[], Change]] = {
        State.SUBMITTED: lambda: steps.confirm(begun, NOW, 24, is_followed=True),
        State.CLOSED: lambda: steps.confirm(begun, NOW, 24, is_followed=True),
        State.REJECTED: lambda: steps.reject(begun, NOW, some_error("no")),
        State.DUPLICATE: lambda: steps.mark_duplicate(begun, NOW, some_error("theirs")),
        State.UNKNOWN: lambda: steps.mark_unknown(begun, NOW, some_error("lost")),
    }
    if state is State.SUBMITTING:
        return begun
    after = store.apply(ends[state]())
    if state is State.CLOSED:
        change = change_status(after, NOW, "Видано", outcome=None, final=True, is_followed=False)
        after = store.apply(change)
    return after


def timeline(store: LeadRepository) -> list[tuple[str, str | None]]:
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    return [(entry.what, entry.detail) for entry in journey.timeline]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("confirm", [False, True])
def test_only_deliveries_that_no_worker_continues_are_retried(
    ask: Ask, store: LeadRepository, state: State, confirm: bool
) -> None:
    before = bring(store, state)
    needs_confirmation = {State.UNKNOWN, State.SKIPPED}
    may = state in {State.FAILED, State.REJECTED, State.DUPLICATE} or (state in needs_confirmation and confirm)
    status, said = ask("retry", {"confirm": True} if confirm else None)
    if may:
        assert (status, said["state"]) == (202, "received")
        assert timeline(store)[-1] == ("retry_requested", "by olena")
        after = delivery(store)
        assert (after.next_attempt_at, after.last_error) == (None, None)
        assert after.due_at is not None, "should its announcement get lost"
    else:
        assert (status, said["title"]) == (409, "Needs confirmation" if state in needs_confirmation else "Wrong state")
        assert delivery(store) == before


def test_a_retry_restarts_the_retry_window(ask: Ask, store: LeadRepository, shipped_settings: Settings) -> None:
    from leadbridge.services.submit_lead import Submitter

    spent = steps.schedule_retry(delivery(store), NOW - timedelta(days=3), some_error("away"), MINUTE)
    store.apply(steps.fail(store.apply(spent), NOW, some_error("spent")))
    ask("retry")

    class Away:
        seconds_per_submission = seconds_per_create = 1.0

        def authorize(self, budget: Budget) -> Any:

            raise partner_errors.Unavailable("leadleader", "authorize", "away")

    retried_at = delivery(store).retried_at
    assert retried_at is not None
    submitter = Submitter(store, Away(), shipped_settings.partners["leadleader"], lambda: retried_at, lambda *_: None)
    visit = submitter.process(LEAD.lead_id, "leadleader", Budget(90.0, monotonic=lambda: 0.0))
    assert visit.outcome == "retried"


@pytest.mark.parametrize("state", list(State))
def test_only_the_unknown_is_resolved(ask: Ask, store: LeadRepository, state: State) -> None:
    bring(store, state)
    status, said = ask("resolve", {"deal_id": 77})
    if state is State.UNKNOWN:
        assert (status, said["state"], said["deal_id"]) == (200, "submitted", 77)
        assert timeline(store)[-1] == ("resolved", "deal 77, by olena")
        assert delivery(store).followed_since is not None, "its status is checked"
        assert ask("resolve", {"deal_id": 77})[0] == 409
    else:
        assert status == 409


def test_what_was_not_created_may_be_retried(ask: Ask, store: LeadRepository) -> None:
    bring(store, State.UNKNOWN)
    status, said = ask("resolve", {"outcome": "not_created"})
    assert (status, said["state"]) == (200, "failed")
    assert ask("retry")[0] == 202
    assert ask("retry")[0] == 409


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("retry", {"confirm": "yes"}, 422),
        ("retry", {"force": True}, 422),
        ("retry", [1], 400),
        ("resolve", None, 422),
        ("resolve", {"deal_id": 0}, 422),
        ("resolve", {"deal_id": "24"}, 422),
        ("resolve", {"deal_id": 24, "outcome": "not_created"}, 422),
        ("resolve", {"outcome": "lost"}, 422),
        ("resolve", {"account_uuid": "a-b"}, 422),
    ],
)
def test_a_wrong_order_is_refused_and_changes_nothing(
    ask: Ask, store: LeadRepository, what: str, body: object, status: int
) -> None:
    before = bring(store, State.UNKNOWN)
    assert ask(what, body)[0] == status
    assert delivery(store) == before


@pytest.mark.parametrize("what", ["retry", "resolve", "erase"])
def test_an_unknown_lead_is_a_404(ask: Ask, what: str) -> None:
    assert ask(what, {"deal_id": 1} if what == "resolve" else None, lead_id="ld_" + "a" * 26)[0] == 404
    if what != "erase":
        assert ask(what, {"deal_id": 1} if what == "resolve" else None, partner="nobody")[0] == 404


def test_one_of_two_concurrent_operators_gets_a_conflict(
    ask: Ask, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(store, State.UNKNOWN)

    def overtaken(*_: object) -> Delivery:
        raise Conflict

    monkeypatch.setattr(LeadRepository, "apply", overtaken)
    status, said = ask("resolve", {"deal_id": 77})
    assert (status, said["title"]) == (409, "Conflict")


# Erasing


@pytest.fixture
def known(store: LeadRepository, app: ModuleType, shipped_settings: Settings) -> Lead:
    """The lead with everything that a person leaves behind."""
    settings = shipped_settings
    source = settings.sources["web"].model_copy(update={"dedup_days": 30})
    claims = RepeatPolicy(app_claims(), settings.model_copy(update={"sources": {"web": source}}))
    assert claims.first(delivery(store)) is None
    bring(store, State.SUBMITTED)
    table = aws.dynamodb()
    outbox = MessageRepository(Table(table, TABLE))
    outbox.add(status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW))
    outbox.remember(LEAD.lead_id, Contact("acc1", "p1", "uk", None, NOW))
    content = {"type": "ORDER", "data": {"account_id": "acc1", "order_id": "o1", "phone": "+380500000001"}}
    inbox = LeelooEventRepository(Table(table, TABLE), lambda value: keyed_hash("k", value), lambda: NOW)
    assert inbox.store(LeelooEvent.of(content, json.dumps(content).encode())) == (True, LEAD.lead_id)
    store.note(LEAD.lead_id, Entry(NOW, "message_requested", "leeloo", "by olena"), "x")
    return LEAD


def app_claims() -> Any:
    from leadbridge.storage.claims import ClaimRepository

    return ClaimRepository(Table(aws.dynamodb(), TABLE))


PRIVATE = ("Прикладенко", "380500000001", "3068208400", "olena@example.com", "вчителька", "acc1", "6000.00")


def everything() -> str:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return json.dumps([decode(item) for page in pages for item in page["Items"]], ensure_ascii=False, default=str)


def test_nothing_of_the_person_remains(ask: Ask, store: LeadRepository, known: Lead) -> None:
    assert all(private in everything() for private in PRIVATE)
    assert ask("erase") == (204, {})
    left = everything()
    assert [private for private in PRIVATE if private in left] == []
    assert [name for name in ("phone_hash", "email_hash", "tax_hash", "contact_account", "CLAIM") if name in left] == []


def test_the_tombstone_is_shown_and_a_redelivered_post_finds_it(ask: Ask, store: LeadRepository, known: Lead) -> None:
    ask("erase")
    status, shown = ask("show")
    assert (status, shown["lead_id"], shown["person"]) == (200, LEAD.lead_id, {})
    assert shown["erased_at"]
    assert shown["deliveries"]["leadleader"]["state"] == "submitted"
    assert ("erased", "by olena") in timeline(store)
    assert store.accept(LEAD, phone_hash="phone") == LEAD.lead_id
    assert "Прикладенко" not in everything()


def test_a_lead_that_waits_is_not_sent_once_it_is_erased(ask: Ask, store: LeadRepository) -> None:
    assert ask("erase")[0] == 204
    assert (delivery(store).state, delivery(store).due_at) == (State.FAILED, None)
    assert ask("retry")[0] == 409


def test_a_deal_is_asked_about_no_more_once_it_is_erased(ask: Ask, store: LeadRepository, known: Lead) -> None:
    ask("erase")
    assert (delivery(store).due_at, delivery(store).deal_id) == (None, None)


def test_a_lead_that_is_with_its_partner_is_not_erased_at_that_moment(ask: Ask, store: LeadRepository) -> None:
    bring(store, State.SUBMITTING)
    status, said = ask("erase")
    assert (status, said["title"]) == (409, "In progress")
    assert store.lead(LEAD.lead_id) == LEAD


def test_erasing_twice_is_as_good_as_once(ask: Ask, known: Lead) -> None:
    ask("erase")
    before = everything()
    assert ask("erase")[0] == 204
    assert everything() == before


def test_an_erasure_that_died_half_way_is_finished_by_the_next(
    ask: Ask, known: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadbridge.storage.erasure.eraser import Eraser

    def dies(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(Eraser, "_clean", dies)
        assert ask("erase")[0] == 500
    assert ask("erase")[0] == 204
    left = everything()
    assert [private for private in PRIVATE if private in left] == []


def test_the_brokers_list_brings_no_erased_person_back(
    ask: Ask, store: LeadRepository, shipped_settings: Settings
) -> None:
    from leadbridge.partners.matchtrade.rows import BrokerAccount
    from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
    from leadbridge.storage.accounts import AccountRepository

    trader = lead(7).model_copy(update={"partners": ("matchtrade",)})
    store.accept(trader, phone_hash=None, email_hash=keyed_hash("k", "olena@example.com"))
    waiting = store.delivery(trader.lead_id, "matchtrade")
    assert waiting is not None
    store.apply(steps.confirm(store.apply(steps.start_attempt(waiting, NOW, MINUTE)), NOW, "u-1", is_followed=False))
    row = BrokerAccount.of(
        {"uuid": "u-1", "email": "olena@example.com", "created": "2026-03-01T12:00:00Z", "leadStatus": "A"}
    )
    book = AccountRepository(Table(aws.dynamodb(), TABLE), "matchtrade", lambda value: keyed_hash("k", value))
    reconciler = AccountReconciler("matchtrade", book, store, shipped_settings.partners["matchtrade"], lambda: NOW)
    reconciler.reconcile([row], NOW - timedelta(days=1), ReconcileCounts())
    assert book.accounts(["u-1"])["u-1"].lead_id == trader.lead_id

    assert ask("erase", lead_id=trader.lead_id)[0] == 204
    assert book.accounts(["u-1"]) == {}
    reconciler.reconcile([row], NOW - timedelta(days=1), ReconcileCounts())
    assert book.accounts(["u-1"]) == {}
    assert "olena@example.com" not in json.dumps(row_of(trader.lead_id))


def row_of(lead_id: str) -> str:
    return "".join(line for line in everything().split("}, {") if lead_id in line)
