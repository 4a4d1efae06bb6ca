"""Dead letters: each is explained, and goes back where it was going, once."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain import fetch as fetch_steps
from leadbridge.domain import message as message_steps
from leadbridge.domain.delivery import Delivery, State, new_delivery
from leadbridge.domain.events import DeliveryChanged, MessageChanged
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import Lead, Loan
from leadbridge.domain.message import MessageState, status_notification
from leadbridge.runtime import aws
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.settings import Settings
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, queue
from quality.testkit.people import NOW, lead

LEAD = lead()
NAMES = ("submit-leadleader", "submit-matchtrade", "messages", "checks", "feedback", "events")
NOTE = {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "x"}
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def queues(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The dead-letter queues, and where their letters go back to, by name."""
    dead = {name: queue(f"dead-{name}") for name in NAMES}
    alive = {name: queue(name) for name in NAMES}
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps(dead))
    monkeypatch.setenv("QUEUES", json.dumps(alive))
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 0)
    return {**alive, **{f"dead-{name}": url for name, url in dead.items()}}


@pytest.fixture
def ask(
    queues: dict[str, str], shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Ask:
    app = function("manage_leads")

    def send(what: str = "list", queue: str = "", body: object = None) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": "GET" if what == "list" else "POST",
            "resource": "/dead-letters" if what == "list" else f"/dead-letters/{{queue}}/{what}",
            "pathParameters": {"queue": queue},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": None if body is None else json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


def put(url: str, content: object) -> None:
    aws.sqs().send_message(QueueUrl=url, MessageBody=content if isinstance(content, str) else json.dumps(content))


def waiting(url: str) -> list[Any]:
    messages = aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def failed(store: LeadRepository) -> dict[str, Any]:
    """A delivery that failed; returns the note of it."""
    store.accept(LEAD, phone_hash=None)
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    store.apply(steps.fail(found, NOW, some_error("spent")))
    return {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}


def redriven(said: tuple[int, dict[str, Any]]) -> tuple[int, list[str], list[str]]:
    """How many letters a redrive put back, and the codes of those that were kept and that were obsolete."""
    status, body = said
    assert status == 200
    return body["redriven"], *([one["code"] for one in body[name]] for name in ("kept", "obsolete"))


def delivery(store: LeadRepository) -> Delivery:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found


def event_of(partner: str = "leadleader") -> dict[str, Any]:
    changed = DeliveryChanged.of(None, new_delivery(LEAD.lead_id, partner, "web", NOW), partner)
    return {"detail-type": "DeliveryChanged", "detail": changed.detail()}


def test_nothing_in_them_is_a_mystery(ask: Ask, queues: dict[str, str], store: LeadRepository) -> None:
    message = status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    put(queues["dead-submit-leadleader"], failed(store))
    put(queues["dead-submit-matchtrade"], event_of("matchtrade"))
    put(queues["dead-messages"], {"detail-type": "MessageChanged", "detail": MessageChanged.of(message).detail()})
    put(queues["dead-checks"], {"partner": "leadleader", "lead_ids": [LEAD.lead_id]})
    put(queues["dead-feedback"], {"lead_id": LEAD.lead_id, "event_id": "evt_1", "overdue": True})
    put(queues["dead-events"], {"DDBStreamBatchInfo": {}})
    put(queues["dead-events"], "nonsense")
    status, said = ask()
    assert status == 200
    told = {(one["queue"], one["step"], one["lead_id"], one["destination"]) for one in said["dead_letters"]}
    assert told == {
        ("submit-leadleader", "submit", LEAD.lead_id, None),
        ("submit-matchtrade", "submit", LEAD.lead_id, "submit-matchtrade"),
        ("messages", "send", LEAD.lead_id, "messages"),
        ("checks", "check", LEAD.lead_id, "checks"),
        ("feedback", "feedback", LEAD.lead_id, "feedback"),
        ("events", "publish", None, None),
        ("events", "read", None, None),
    }
    assert all(one["reason"] and one["dead_letter_id"] and one["sent_at"] for one in said["dead_letters"])
    assert len(ask()[1]["dead_letters"]) == 7, "looking hides nothing"


def test_a_batch_of_status_checks_names_its_leads_and_is_redriven_as_it_is(ask: Ask, queues: dict[str, str]) -> None:
    batch = CheckBatch("leadleader", ("ld_1", "ld_2"), attempt=3).body()
    put(queues["dead-checks"], batch)
    (letter,) = ask()[1]["dead_letters"]
    assert (letter["lead_id"], letter["lead_ids"], letter["partner"]) == (None, ["ld_1", "ld_2"], "leadleader")
    assert (letter["step"], letter["reason_code"], letter["destination"]) == ("check", "worker_failed", "checks")
    assert redriven(ask("redrive", "checks")) == (1, [], [])
    assert waiting(queues["checks"]) == [batch]


def test_a_failed_delivery_restarts_and_its_dead_letter_is_removed(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    put(queues["dead-submit-leadleader"], failed(store))
    assert redriven(ask("redrive", "submit-leadleader")) == (1, [], [])
    assert delivery(store).state is State.RECEIVED
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert journey.timeline[-1].detail == "by olena"
    assert ask()[1]["dead_letters"] == []
    assert redriven(ask("redrive", "submit-leadleader")) == (0, [], [])


def test_a_letter_about_what_has_moved_on_is_done_with(ask: Ask, queues: dict[str, str], store: LeadRepository) -> None:
    note = failed(store)
    for _ in range(2):
        put(queues["dead-submit-leadleader"], note)
    assert redriven(ask("redrive", "submit-leadleader")) == (1, ["in_progress"], [])
    assert (delivery(store).state, delivery(store).version) == (State.RECEIVED, 3)
    started = store.apply(steps.start_attempt(delivery(store), NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=False))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, [], ["state_changed"])
    assert ask()[1]["dead_letters"] == []


def test_a_letter_that_comes_before_its_delivery_has_failed_is_kept_until_it_has(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    put(
        queues["dead-submit-leadleader"],
        {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"},
    )
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["in_progress"], [])
    store.apply(steps.fail(delivery(store), NOW, some_error("spent")))
    assert redriven(ask("redrive", "submit-leadleader")) == (1, [], [])
    assert delivery(store).state is State.RECEIVED
    assert ask()[1]["dead_letters"] == []


def test_a_letter_that_comes_before_its_message_has_failed_is_kept_until_it_has(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    message = status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(message)
    tried = outbox.apply(message_steps.schedule_retry(message, NOW, some_error("away"), timedelta(0)))
    note = {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"}
    put(queues["dead-messages"], note)
    assert redriven(ask("redrive", "messages")) == (0, ["in_progress"], [])
    put(queues["dead-messages"], note)  # the worker came a second time
    outbox.apply(message_steps.fail(tried, NOW, some_error("spent")))
    assert redriven(ask("redrive", "messages")) == (1, ["in_progress"], []), "it is kept until it is sent"
    (again,) = outbox.messages(LEAD.lead_id)
    put(queues["dead-messages"], note)  # it is refused at once
    assert redriven(ask("redrive", "messages")) == (0, ["in_progress"] * 2, [])
    outbox.apply(message_steps.fail(again, NOW, some_error("refused")))
    assert len(ask()[1]["dead_letters"]) == 1
    assert redriven(ask("redrive", "messages")) == (1, [], [])


def test_letters_that_are_kept_do_not_hide_those_behind_them(
    ask: Ask, queues: dict[str, str], store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 30)
    store.accept(LEAD, phone_hash=None)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    for number in range(15):
        message = status_notification(LEAD.lead_id, "leadleader", number, "Видано", NOW)
        outbox.add(message)
        if number >= 12:
            outbox.apply(message_steps.fail(message, NOW, some_error("spent")))
        note = {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"}
        put(queues["dead-messages"], note)
    assert redriven(ask("redrive", "messages"))[0] == 3
    assert len(ask()[1]["dead_letters"]) >= 10


def test_a_failed_message_is_sent_again(ask: Ask, queues: dict[str, str], store: LeadRepository) -> None:
    failed(store)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    message = status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(message)
    outbox.apply(message_steps.fail(message, NOW, some_error("spent")))
    put(
        queues["dead-messages"],
        {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"},
    )
    assert redriven(ask("redrive", "messages")) == (1, [], [])
    (after,) = outbox.messages(LEAD.lead_id)
    assert (after.state, after.next_attempt_at) == (MessageState.PENDING, None)


def test_an_event_goes_back_where_it_was_going(ask: Ask, queues: dict[str, str]) -> None:
    put(queues["dead-events"], event_of("matchtrade"))
    assert redriven(ask("redrive", "events")) == (1, [], [])
    assert waiting(queues["submit-matchtrade"]) == [event_of("matchtrade")]


def test_one_letter_is_taken_and_the_others_stay(ask: Ask, queues: dict[str, str]) -> None:
    for number in range(4):
        put(queues["dead-checks"], {"lead_id": LEAD.lead_id, "partner": str(number)})
    chosen = ask()[1]["dead_letters"][2]
    assert redriven(ask("redrive", "checks", {"dead_letter_id": chosen["dead_letter_id"]})) == (1, [], [])
    assert [one["partner"] for one in waiting(queues["checks"])] == [chosen["partner"]]
    assert len(ask()[1]["dead_letters"]) == 3
    other = ask()[1]["dead_letters"][0]
    assert ask("discard", "checks", {"dead_letter_id": other["dead_letter_id"]}) == (200, {"discarded": 1})
    assert ask("discard", "checks", {"dead_letter_id": other["dead_letter_id"]}) == (200, {"discarded": 0})
    assert len(ask()[1]["dead_letters"]) == 2


def test_what_was_done_with_a_letter_is_in_its_leads_timeline(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    for done, counted in (("redrive", "redriven"), ("discard", "discarded")):
        put(queues["dead-checks"], {"lead_id": LEAD.lead_id, "partner": "leadleader"})
        (letter,) = ask()[1]["dead_letters"]
        status, said = ask(done, "checks", {"dead_letter_id": letter["dead_letter_id"]})
        assert (status, said[counted]) == (200, 1)
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert [(entry.what, entry.detail) for entry in journey.timeline[1:]] == [
        ("dead_letter_redriven", "check, by olena"),
        ("dead_letter_discarded", "check, by olena"),
    ]


def test_wrong_orders(ask: Ask, queues: dict[str, str]) -> None:
    assert ask("redrive", "nobody")[0] == 404
    assert ask("discard", "checks")[0] == 422
    assert ask("redrive", "checks", {"dead_letter_id": "../x"})[0] == 422


def test_a_fetch_that_failed_is_asked_for_again(ask: Ask, queues: dict[str, str], store: LeadRepository) -> None:
    fetch = fetch_steps.new_fetch("ld_" + "a" * 26, "meta-credit", {"leadgen_id": "77"}, NOW)
    empty = Lead(lead_id=fetch.lead_id, source="meta-credit", received_at=NOW, partners=())
    store.accept(empty, phone_hash=None, fetch=fetch)
    arrivals = FetchRepository(Table(aws.dynamodb(), TABLE))
    arrivals.apply(fetch_steps.fail(fetch, NOW, some_error("refused")))
    put(queues["dead-checks"], {"lead_id": fetch.lead_id, "step": "fetch", "reason": "refused"})
    assert redriven(ask("redrive", "checks")) == (1, [], [])
    again = arrivals.fetch(fetch.lead_id)
    assert again is not None
    assert (again.state, again.next_attempt_at) == (FetchState.PENDING, None)


def test_what_its_partner_would_not_take_is_not_sent(ask: Ask, queues: dict[str, str], store: LeadRepository) -> None:
    lacking = LEAD.model_copy(update={"loan": Loan()})
    store.accept(lacking, phone_hash=None)
    store.apply(steps.fail(delivery(store), NOW, some_error("spent")))
    note = {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}
    put(queues["dead-submit-leadleader"], note)
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["missing_fields"], [])
    assert delivery(store).state is State.FAILED
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert (journey.timeline[-1].what, journey.timeline[-1].partner) == ("dead_letter_kept", "leadleader")
    assert "loan.amount" in (journey.timeline[-1].detail or "")
    assert len(ask()[1]["dead_letters"]) == 1


def test_dead_letters_without_work_are_obsolete_and_unreadable_ones_are_kept(ask: Ask, queues: dict[str, str]) -> None:
    contents: tuple[object, ...] = ({"DDBStreamBatchInfo": {}}, {"any": "schedule"}, "nonsense")
    for content in contents:
        put(queues["dead-events"], content)
    assert redriven(ask("redrive", "events")) == (0, ["dead_letter_invalid"], ["replaced", "replaced"])
    (left,) = ask()[1]["dead_letters"]
    assert left["step"] == "read"


def test_letter_of_a_lead_that_was_erased_or_is_gone_is_obsolete(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    put(queues["dead-submit-leadleader"], failed(store) | {"lead_id": lead(9).lead_id})
    assert redriven(ask("redrive", "submit-leadleader")) == (0, [], ["lead_not_found"])
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "olena", NOW)
    put(
        queues["dead-submit-leadleader"],
        {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "x"},
    )
    put(queues["dead-messages"], {"lead_id": LEAD.lead_id, "message_id": "2026#gone", "step": "send", "reason": "x"})
    assert redriven(ask("redrive", "submit-leadleader")) == (0, [], ["erased"])
    assert redriven(ask("redrive", "messages")) == (0, [], ["lead_not_found"])
    assert ask()[1]["dead_letters"] == []


def test_letter_of_a_delivery_that_may_have_arrived_is_kept_and_sends_nothing(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    started = store.apply(steps.start_attempt(delivery(store), NOW, timedelta(minutes=1)))
    store.apply(steps.mark_unknown(started, NOW, some_error("lost")))
    put(
        queues["dead-submit-leadleader"],
        {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "x"},
    )
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["needs_confirmation"], [])
    assert delivery(store).state is State.UNKNOWN


def test_letter_of_a_message_that_may_have_arrived_is_kept(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    message = status_notification(LEAD.lead_id, "leadleader", 2, "s", NOW)
    outbox.add(message)
    sending = outbox.apply(message_steps.start_sending(message, NOW, timedelta(minutes=1)))
    outbox.apply(message_steps.mark_unknown(sending, NOW, some_error("lost")))
    put(
        queues["dead-messages"],
        {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"},
    )
    assert redriven(ask("redrive", "messages")) == (0, ["outcome_unknown"], [])
    assert len(ask()[1]["dead_letters"]) == 1


def test_letter_of_a_message_that_a_newer_one_has_replaced_is_obsolete(
    ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    store.accept(LEAD, phone_hash=None)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    older, newer = (status_notification(LEAD.lead_id, "leadleader", version, "s", NOW) for version in (2, 3))
    for message in (older, newer):
        outbox.add(message)
    outbox.apply(message_steps.fail(older, NOW, some_error("refused")))
    sending = outbox.apply(message_steps.start_sending(newer, NOW, timedelta(minutes=1)))
    outbox.apply(message_steps.mark_sent(sending, NOW))
    put(
        queues["dead-messages"],
        {"lead_id": LEAD.lead_id, "message_id": older.message_id, "step": "send", "reason": "x"},
    )
    assert redriven(ask("redrive", "messages")) == (0, [], ["superseded"])
    after = outbox.message(LEAD.lead_id, older.message_id)
    assert after is not None
    assert (after.state, after.last_error_code) == (MessageState.SKIPPED, "superseded")


def answered(answer: object, attempt: object = 1, **more: object) -> dict[str, Any]:
    return {
        "lead_id": LEAD.lead_id,
        "partner": "leadleader",
        "step": "record_answer",
        "reason": "not written",
        "answer": answer,
        "attempt": attempt,
        **more,
    }


@pytest.fixture
def in_doubt(store: LeadRepository) -> Callable[[str], None]:
    """Bring the delivery into a state in which its partner's answer is not known here, after its first attempt."""

    def bring(state: str) -> None:
        store.accept(LEAD, phone_hash=None)
        started = store.apply(steps.start_attempt(delivery(store), NOW, timedelta(minutes=1)))
        if state == "unknown":
            store.apply(steps.mark_unknown(started, NOW, some_error("lost")))
        elif state == "received":
            store.apply(steps.mark_uncertain(started, NOW, some_error("lost"), None))

    return bring


@pytest.mark.parametrize("state", ["submitting", "unknown", "received"])
@pytest.mark.parametrize(
    ("answer", "becomes", "deal_id"),
    [
        ({"deal_id": 24}, State.SUBMITTED, 24),
        ({"account_uuid": "u-1"}, State.SUBMITTED, None),
        ({"outcome": "created"}, State.SUBMITTED, None),
        ({"outcome": "rejected", "error": "too young"}, State.REJECTED, None),
        ({"outcome": "duplicate", "error": "known"}, State.DUPLICATE, None),
        ({"outcome": "not_processed", "error": "busy"}, State.RECEIVED, None),
    ],
)
def test_answer_in_a_letter_is_written_down_once(
    ask: Ask,
    queues: dict[str, str],
    store: LeadRepository,
    in_doubt: Callable[[str], None],
    state: str,
    answer: dict[str, Any],
    becomes: State,
    deal_id: int | None,
) -> None:
    in_doubt(state)
    for _ in range(2):
        put(queues["dead-submit-leadleader"], answered(answer))
    assert redriven(ask("redrive", "submit-leadleader")) == (1, [], ["recorded"])
    after = delivery(store)
    assert (after.state, after.deal_id, after.is_uncertain) == (becomes, deal_id, False)
    assert (after.account_uuid, after.last_error) == (answer.get("account_uuid"), answer.get("error"))
    assert (after.due_at is not None) == (becomes is State.RECEIVED)
    assert (after.followed_since is not None) == (becomes is State.SUBMITTED)
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert (journey.timeline[-1].detail or "").endswith("recorded by olena")
    assert ask()[1]["dead_letters"] == []


def test_answer_with_an_id_of_another_lead_is_kept_and_the_lead_is_named(
    ask: Ask, queues: dict[str, str], store: LeadRepository, in_doubt: Callable[[str], None]
) -> None:
    in_doubt("unknown")
    other = lead(2)
    store.accept(other, phone_hash=None)
    found = store.delivery(other.lead_id, "leadleader")
    assert found is not None
    started = store.apply(steps.start_attempt(found, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=False))
    put(queues["dead-submit-leadleader"], answered({"deal_id": 24}))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["already_linked"], [])
    assert delivery(store).state is State.UNKNOWN
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert any(entry.what == "dead_letter_kept" and other.lead_id in (entry.detail or "") for entry in journey.timeline)


def test_answer_that_differs_from_what_is_settled_is_kept(
    ask: Ask, queues: dict[str, str], store: LeadRepository, in_doubt: Callable[[str], None]
) -> None:
    in_doubt("unknown")
    store.apply(steps.confirm(delivery(store), NOW, 7, is_followed=False))
    for answer in ({"deal_id": 24}, {"outcome": "rejected"}):
        put(queues["dead-submit-leadleader"], answered(answer))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["state_conflict"] * 2, [])
    assert delivery(store).deal_id == 7
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    kept = [entry.detail or "" for entry in journey.timeline if entry.what == "dead_letter_kept"]
    assert any("deal_id 24" in detail for detail in kept), "the deal's number is not lost"


def test_answer_to_an_earlier_attempt_is_kept(
    ask: Ask, queues: dict[str, str], store: LeadRepository, in_doubt: Callable[[str], None]
) -> None:
    in_doubt("unknown")
    put(queues["dead-submit-leadleader"], answered({"deal_id": 24}, attempt=2))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["attempt_mismatch"], [])
    assert delivery(store).state is State.UNKNOWN


def test_duplicate_after_an_earlier_lost_reply_is_not_called_anothers(
    ask: Ask, queues: dict[str, str], store: LeadRepository, in_doubt: Callable[[str], None]
) -> None:
    in_doubt("received")
    store.apply(steps.start_attempt(delivery(store), NOW, timedelta(minutes=1)))
    put(queues["dead-submit-leadleader"], answered({"outcome": "duplicate", "error": "known"}, attempt=2))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["may_be_ours"], [])
    assert delivery(store).state is State.SUBMITTING


@pytest.mark.parametrize(("outcome", "state"), [("rejected", State.REJECTED), ("duplicate", State.DUPLICATE)])
def test_answer_of_a_refusal_opens_the_next_partner(
    outcome: str, state: State, ask: Ask, queues: dict[str, str], store: LeadRepository
) -> None:
    order = {"fallbacks": {"leadleader": "matchtrade"}, "next_on": {"leadleader": (outcome,)}}
    both = LEAD.model_copy(update=order)
    store.accept(both, phone_hash=None)
    store.apply(steps.start_attempt(delivery(store), NOW, timedelta(minutes=1)))
    put(queues["dead-submit-leadleader"], answered({"outcome": outcome, "error": "too young"}))
    assert redriven(ask("redrive", "submit-leadleader")) == (1, [], [])
    opened = store.delivery(LEAD.lead_id, "matchtrade")
    assert (delivery(store).state, opened and opened.state) == (state, State.RECEIVED)


@pytest.mark.parametrize(
    ("answer", "attempt"),
    [
        (None, 1),
        ({}, 1),
        ({"deal_id": True}, 1),
        ({"deal_id": 0}, 1),
        ({"deal_id": 10**18}, 1),
        ({"deal_id": 24, "account_uuid": "u"}, 1),
        ({"account_uuid": "u" * 513}, 1),
        ({"outcome": "perhaps"}, 1),
        ({"outcome": "sent"}, 1),
        ({"deal_id": 24}, None),
        ({"deal_id": 24}, "1"),
        ({"deal_id": 24}, 0),
    ],
)
def test_answer_that_is_none_is_kept(
    ask: Ask,
    queues: dict[str, str],
    store: LeadRepository,
    in_doubt: Callable[[str], None],
    answer: object,
    attempt: object,
) -> None:
    in_doubt("unknown")
    put(queues["dead-submit-leadleader"], answered(answer, attempt))
    assert redriven(ask("redrive", "submit-leadleader")) == (0, ["dead_letter_invalid"], [])
    assert delivery(store).state is State.UNKNOWN


@pytest.mark.parametrize("is_lost", [False, True])
def test_answer_to_a_message_is_written_down_once(
    ask: Ask, queues: dict[str, str], store: LeadRepository, is_lost: bool
) -> None:
    store.accept(LEAD, phone_hash=None)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    message = status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(message)
    sending = outbox.apply(message_steps.start_sending(message, NOW, timedelta(minutes=1)))
    if is_lost:
        outbox.apply(message_steps.mark_unknown(sending, NOW, some_error("the worker was lost")))
    note = answered({"outcome": "sent"}, message_id=message.message_id) | {"partner": None}
    for _ in range(2):
        put(queues["dead-messages"], note)
    assert redriven(ask("redrive", "messages")) == (1, [], ["recorded"])
    put(queues["dead-messages"], note | {"attempt": 2})
    assert redriven(ask("redrive", "messages")) == (0, [], ["recorded"])
    after = outbox.message(LEAD.lead_id, message.message_id)
    assert after is not None
    assert (after.state, after.due_at) == (MessageState.SENT, None)
