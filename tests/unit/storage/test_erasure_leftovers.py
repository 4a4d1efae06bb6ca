"""What could bring an erased person back, and what an erasure that was refused must leave."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import status_notification
from leadbridge.domain.recipient import Contact
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.transitions import Conflict
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import StatusByEmail
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.items import decode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, Time, queue
from quality.testkit.people import NOW, lead

PARTNER, EMAIL, MINUTE = "matchtrade", "olena@example.com", timedelta(minutes=1)
TRADER = lead(7).model_copy(update={"partners": (PARTNER,)})


@pytest.fixture
def aws_engine() -> str:
    """All expressions of these many writes are in tests that also run on moto, which takes seconds for them."""
    return "memory"


def accepted(store: LeadRepository, uuid: str | None, trader: Lead = TRADER) -> Delivery:
    store.accept(trader, phone_hash=None, email_hash=keyed_hash("k", EMAIL))
    waiting = store.delivery(trader.lead_id, PARTNER)
    assert waiting is not None
    return store.apply(
        steps.confirm(store.apply(steps.start_attempt(waiting, NOW, MINUTE)), NOW, uuid, is_followed=False)
    )


def row(**more: Any) -> BrokerAccount:
    return BrokerAccount.of({"uuid": "u-1", "email": EMAIL, "name": "Олена", "created": "2026-03-01T12:00:00Z", **more})


def book() -> AccountRepository:
    return AccountRepository(Table(aws.dynamodb(), TABLE), PARTNER, lambda value: keyed_hash("k", value))


def reconciler(store: LeadRepository, settings: Settings, of: Any = None) -> AccountReconciler:
    return AccountReconciler(PARTNER, of or book(), store, settings.partners[PARTNER], lambda: NOW)


def erase(trader: Lead = TRADER) -> None:
    Eraser(Table(aws.dynamodb(), TABLE)).erase(trader.lead_id, "olena", NOW)


def everything() -> str:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return json.dumps([decode(item) for page in pages for item in page["Items"]], ensure_ascii=False, default=str)


def take(store: LeadRepository, settings: Settings, *rows: BrokerAccount, of: Any = None) -> None:
    reconciler(store, settings, of).reconcile(rows, NOW - timedelta(days=1), ReconcileCounts())


def test_a_dead_letter_of_an_erased_person_sends_nothing(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    time: Time,
) -> None:
    dead, alive = queue("dead"), queue("alive")
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps({"submit-matchtrade": dead}))
    monkeypatch.setenv("QUEUES", json.dumps({"submit-matchtrade": alive}))
    store.accept(TRADER, phone_hash=None)
    waiting = store.delivery(TRADER.lead_id, PARTNER)
    assert waiting is not None
    store.apply(steps.fail(waiting, NOW, some_error("the partner refused the client or the login (HTTP 401)")))
    note = {"lead_id": TRADER.lead_id, "partner": PARTNER, "step": "submit", "reason": "wrong login"}
    aws.sqs().send_message(QueueUrl=dead, MessageBody=json.dumps(note))
    erase()

    event = {
        "httpMethod": "POST",
        "resource": "/dead-letters/{queue}/redrive",
        "pathParameters": {"queue": "submit-matchtrade"},
        "requestContext": {"authorizer": {"operator": "olena"}},
        "body": "{}",
    }
    assert function("manage_leads").handler(event, context)["statusCode"] == 200
    sent: list[Lead] = []

    class Broker:
        seconds_per_submission = seconds_per_create = seconds_per_page = 1.0

        def authorize(self, budget: Budget) -> Any:
            return self

        def create(self, made: Lead, budget: Budget) -> str:
            sent.append(made)
            return "u-9"

    submitter = Submitter(store, Broker(), shipped_settings.partners[PARTNER], time, lambda *_: None)
    submitter.process(TRADER.lead_id, PARTNER, Budget(190.0, monotonic=lambda: 0.0))
    assert sent == []


class Late:
    """A book that is erased from after the ties were read, before the accounts are kept."""

    def __init__(self) -> None:
        self.inner = book()
        self.is_done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def store(self, accounts: Any) -> None:
        if not self.is_done:
            self.is_done = True
            erase()
        self.inner.store(accounts)


def test_a_person_erased_during_a_sync_gets_no_message(store: LeadRepository, shipped_settings: Settings) -> None:
    accepted(store, "u-1")
    take(store, shipped_settings, row(leadStatus="NEW_CONTACT"), of=Late())
    take(store, shipped_settings, row(leadStatus="CONTACTED"))
    left = everything()
    assert "MESSAGE#" not in left
    assert "is_erased" in left


def test_an_erased_persons_status_is_not_asked_for(store: LeadRepository) -> None:
    accepted(store, "u-1")
    erase()
    asked: list[str] = []

    class All:
        seconds_per_page = 1.0

        def find(self, email: str, budget: Budget) -> None:
            asked.append(email)

    found = store.delivery(TRADER.lead_id, PARTNER)
    assert found is not None
    assert found.state is State.SUBMITTED
    with pytest.raises(PartnerError) as caught:
        StatusByEmail(All(), store.lead).status(found, Budget(100.0))
    assert caught.value.code is ErrorCode.STATUS_MISSING
    assert asked == [], "the broker's whole list is asked for: the query is empty"


def test_a_refused_erasure_leaves_the_living_followed(store: LeadRepository, shipped_settings: Settings) -> None:
    """409 Busy: somebody was quicker. The lead lives on, but its account's tie says erased."""
    accepted(store, "u-1")
    take(store, shipped_settings, row(leadStatus="NEW_CONTACT"))

    class Contested(Table):
        def transact(self, *args: Any, **more: Any) -> Any:
            found = store.delivery(TRADER.lead_id, PARTNER)
            assert found is not None
            store.apply(change_status(found, NOW, "CONTACTED", outcome=None, final=False, is_followed=False))
            return super().transact(*args, **more)

    with pytest.raises(Conflict):
        Eraser(Contested(aws.dynamodb(), TABLE)).erase(TRADER.lead_id, "olena", NOW)
    lived = store.lead(TRADER.lead_id)
    assert lived is not None
    assert lived.erased_at is None
    take(store, shipped_settings, row(leadStatus="ACTIVE_CLIENT"))
    found = store.delivery(TRADER.lead_id, PARTNER)
    assert found is not None
    assert found.partner_status == "ACTIVE_CLIENT"


def test_nothing_is_written_beside_a_person_who_was_erased_meanwhile(store: LeadRepository) -> None:
    accepted(store, "u-1")
    outbox, lead_id = MessageRepository(Table(aws.dynamodb(), TABLE)), TRADER.lead_id
    erase()
    with pytest.raises(Conflict):
        outbox.add(status_notification(lead_id, PARTNER, 9, "CONTACTED", NOW))
    assert not outbox.claim(lead_id, NOW, NOW + MINUTE, to_invite=True)
    outbox.remember(lead_id, Contact("an account", lead_received_at=NOW))
    assert outbox.messages(lead_id) == []
    assert "an account" not in everything()
    assert "inviting_since" not in everything()


def test_an_event_during_an_erasure_is_linked_to_no_person(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(store, "u-1")
    inbox = LeelooEventRepository(Table(aws.dynamodb(), TABLE), lambda value: keyed_hash("k", value), lambda: NOW)
    found = LeelooEventRepository._lead_of

    def slowly(inbox: LeelooEventRepository, event: LeelooEvent) -> str | None:
        lead_id = found(inbox, event)
        erase()
        return lead_id

    monkeypatch.setattr(LeelooEventRepository, "_lead_of", slowly)
    content = {"type": "ORDER", "data": {"email": EMAIL}}
    assert inbox.store(LeelooEvent.of(content, json.dumps(content).encode())) == (True, None)
    assert f"LEAD#{TRADER.lead_id}" not in {
        values["pk"] for values in json.loads(everything()) if values["sk"].startswith("LEELOO#")
    }


def test_an_answer_after_the_erasure_links_no_person_to_the_partner(
    store: LeadRepository, shipped_settings: Settings, time: Time
) -> None:
    lender = lead(8)
    store.accept(lender, phone_hash=None)

    class Slow:
        """Answers when the lease has long run out, an operator was told of it, and had the person erased."""

        seconds_per_submission = seconds_per_create = 1.0

        def authorize(self, budget: Budget) -> Any:
            return self

        def create(self, submitted: Lead, budget: Budget) -> int:
            begun = store.delivery(lender.lead_id, "leadleader")
            assert begun is not None
            store.apply(steps.mark_unknown(begun, time.now, some_error("the worker was lost")))
            erase(lender)
            return 24

    ample = Budget(deadline=90.0, monotonic=lambda: 0.0)
    settings = shipped_settings.partners["leadleader"]
    submitter = Submitter(store, Slow(), settings, time, lambda *_: None)
    assert submitter.process(lender.lead_id, "leadleader", ample).outcome is Outcome.NOT_FOUND
    left = store.delivery(lender.lead_id, "leadleader")
    assert left is not None
    assert (left.state, left.deal_id, left.due_at) == (State.UNKNOWN, None, None)
