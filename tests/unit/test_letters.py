"""Dead letters: each is explained, and goes back where it was going, once."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge import aws
from leadbridge.leads import delivery as steps
from leadbridge.leads import fetch as fetch_steps
from leadbridge.leads import message as message_steps
from leadbridge.leads.arrivals import Arrivals
from leadbridge.leads.delivery import Delivery, State, receive
from leadbridge.leads.events import DeliveryChanged, MessageChanged
from leadbridge.leads.fetch import FetchState
from leadbridge.leads.lead import Lead, Loan
from leadbridge.leads.message import MessageState, about_status
from leadbridge.leads.outbox import Outbox
from leadbridge.leads.store import Store
from leadbridge.settings import Settings
from tests.people import NOW, lead
from tests.unit.conftest import TABLE, Context, queue

LEAD = lead()
NAMES = ("submit-leadleader", "submit-matchtrade", "messages", "checks", "events")
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def queues(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The dead-letter queues, and where their letters go back to, by name."""
    dead = {name: queue(f"dead-{name}") for name in NAMES}
    alive = {name: queue(name) for name in NAMES}
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps(dead))
    monkeypatch.setenv("QUEUES", json.dumps(alive))
    monkeypatch.setattr("leadbridge.letters.HIDDEN", 0)
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


def failed(store: Store) -> dict[str, Any]:
    """A delivery that failed; returns the note of it."""
    store.accept(LEAD, phone_hash=None)
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    store.apply(steps.gave_up(found, NOW, "spent"))
    return {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}


def delivery(store: Store) -> Delivery:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found


def event_of(partner: str = "leadleader") -> dict[str, Any]:
    changed = DeliveryChanged.of(None, receive(LEAD.lead_id, partner, "web", NOW))
    return {"detail-type": "DeliveryChanged", "detail": changed.detail()}


def test_nothing_in_them_is_a_mystery(ask: Ask, queues: dict[str, str], store: Store) -> None:
    message = about_status(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    put(queues["dead-submit-leadleader"], failed(store))
    put(queues["dead-submit-matchtrade"], event_of("matchtrade"))
    put(queues["dead-messages"], {"detail-type": "MessageChanged", "detail": MessageChanged.of(message).detail()})
    put(queues["dead-checks"], {"lead_id": LEAD.lead_id, "partner": "leadleader"})
    put(queues["dead-events"], {"DDBStreamBatchInfo": {}})
    put(queues["dead-events"], "nonsense")
    status, said = ask()
    assert status == 200
    told = {(one["queue"], one["step"], one["lead_id"], one["goes_to"]) for one in said["letters"]}
    assert told == {
        ("submit-leadleader", "submit", LEAD.lead_id, None),
        ("submit-matchtrade", "submit", LEAD.lead_id, "submit-matchtrade"),
        ("messages", "send", LEAD.lead_id, "messages"),
        ("checks", "check", LEAD.lead_id, "checks"),
        ("events", "publish", None, None),
        ("events", "read", None, None),
    }
    assert all(one["reason"] and one["letter_id"] and one["sent_at"] for one in said["letters"])
    assert len(ask()[1]["letters"]) == 6, "looking hides nothing"


def test_a_failed_delivery_begins_anew_and_its_letter_is_gone(ask: Ask, queues: dict[str, str], store: Store) -> None:
    put(queues["dead-submit-leadleader"], failed(store))
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 1})
    assert delivery(store).state is State.RECEIVED
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert journey.timeline[-1].detail == "by olena"
    assert ask()[1]["letters"] == []
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 0})


def test_a_letter_about_what_has_moved_on_is_done_with(ask: Ask, queues: dict[str, str], store: Store) -> None:
    note = failed(store)
    for _ in range(2):
        put(queues["dead-submit-leadleader"], note)
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 2})
    assert (delivery(store).state, delivery(store).version) == (State.RECEIVED, 3)


def test_a_letter_that_comes_before_its_delivery_has_failed_is_kept_until_it_has(
    ask: Ask, queues: dict[str, str], store: Store
) -> None:
    store.accept(LEAD, phone_hash=None)
    put(
        queues["dead-submit-leadleader"],
        {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"},
    )
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 0})
    store.apply(steps.gave_up(delivery(store), NOW, "spent"))
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 1})
    assert delivery(store).state is State.RECEIVED
    assert ask()[1]["letters"] == []


def test_a_letter_that_comes_before_its_message_has_failed_is_kept_until_it_has(
    ask: Ask, queues: dict[str, str], store: Store
) -> None:
    store.accept(LEAD, phone_hash=None)
    outbox = Outbox(aws.dynamodb(), TABLE)
    message = about_status(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(message)
    tried = outbox.apply(message_steps.send_again(message, NOW, "away", timedelta(0)))
    note = {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"}
    put(queues["dead-messages"], note)
    assert ask("redrive", "messages") == (200, {"letters": 0})
    put(queues["dead-messages"], note)  # the worker came a second time
    outbox.apply(message_steps.gave_up(tried, NOW, "spent"))
    assert ask("redrive", "messages") == (200, {"letters": 2}), "one begins it anew, the other is of its first life"
    (again,) = outbox.messages(LEAD.lead_id)
    put(queues["dead-messages"], note)  # it is refused at once
    assert ask("redrive", "messages") == (200, {"letters": 0})
    outbox.apply(message_steps.gave_up(again, NOW, "refused"))
    assert ask("redrive", "messages") == (200, {"letters": 1})


def test_letters_that_are_kept_do_not_hide_those_behind_them(
    ask: Ask, queues: dict[str, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadbridge.letters.HIDDEN", 30)
    store.accept(LEAD, phone_hash=None)
    outbox = Outbox(aws.dynamodb(), TABLE)
    for number in range(15):
        message = about_status(LEAD.lead_id, "leadleader", number, "Видано", NOW)
        outbox.add(message)
        if number >= 12:
            outbox.apply(message_steps.gave_up(message, NOW, "spent"))
        note = {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"}
        put(queues["dead-messages"], note)
    assert ask("redrive", "messages") == (200, {"letters": 3})
    assert len(ask()[1]["letters"]) >= 10


def test_a_failed_message_is_sent_again(ask: Ask, queues: dict[str, str], store: Store) -> None:
    failed(store)
    outbox = Outbox(aws.dynamodb(), TABLE)
    message = about_status(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(message)
    outbox.apply(message_steps.gave_up(message, NOW, "spent"))
    put(
        queues["dead-messages"],
        {"lead_id": LEAD.lead_id, "message_id": message.message_id, "step": "send", "reason": "x"},
    )
    assert ask("redrive", "messages") == (200, {"letters": 1})
    (after,) = outbox.messages(LEAD.lead_id)
    assert (after.state, after.next_attempt_at) == (MessageState.PENDING, None)


def test_an_event_goes_back_where_it_was_going(ask: Ask, queues: dict[str, str]) -> None:
    put(queues["dead-events"], event_of("matchtrade"))
    assert ask("redrive", "events") == (200, {"letters": 1})
    assert waiting(queues["submit-matchtrade"]) == [event_of("matchtrade")]


def test_one_letter_is_taken_and_the_others_stay(ask: Ask, queues: dict[str, str]) -> None:
    for number in range(4):
        put(queues["dead-checks"], {"lead_id": LEAD.lead_id, "partner": str(number)})
    chosen = ask()[1]["letters"][2]
    assert ask("redrive", "checks", {"letter_id": chosen["letter_id"]}) == (200, {"letters": 1})
    assert [one["partner"] for one in waiting(queues["checks"])] == [chosen["partner"]]
    assert len(ask()[1]["letters"]) == 3
    other = ask()[1]["letters"][0]
    assert ask("discard", "checks", {"letter_id": other["letter_id"]}) == (200, {"letters": 1})
    assert ask("discard", "checks", {"letter_id": other["letter_id"]}) == (200, {"letters": 0})
    assert len(ask()[1]["letters"]) == 2


def test_what_was_done_with_a_letter_stands_in_its_leads_timeline(
    ask: Ask, queues: dict[str, str], store: Store
) -> None:
    store.accept(LEAD, phone_hash=None)
    for done in ("redrive", "discard"):
        put(queues["dead-checks"], {"lead_id": LEAD.lead_id, "partner": "leadleader"})
        (letter,) = ask()[1]["letters"]
        assert ask(done, "checks", {"letter_id": letter["letter_id"]}) == (200, {"letters": 1})
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    assert [(entry.what, entry.detail) for entry in journey.timeline[1:]] == [
        ("letter_redriven", "check, by olena"),
        ("letter_discarded", "check, by olena"),
    ]


def test_wrong_orders(ask: Ask, queues: dict[str, str]) -> None:
    assert ask("redrive", "nobody")[0] == 404
    assert ask("discard", "checks")[0] == 422
    assert ask("redrive", "checks", {"letter_id": "../x"})[0] == 422


def test_a_fetch_that_failed_is_asked_for_again(ask: Ask, queues: dict[str, str], store: Store) -> None:
    fetch = fetch_steps.announced("ld_" + "a" * 26, "meta-credit", {"leadgen_id": "77"}, NOW)
    empty = Lead(lead_id=fetch.lead_id, source="meta-credit", received_at=NOW, partners=())
    store.accept(empty, phone_hash=None, fetch=fetch)
    arrivals = Arrivals(aws.dynamodb(), TABLE)
    arrivals.apply(fetch_steps.gave_up(fetch, NOW, "refused"))
    put(queues["dead-checks"], {"lead_id": fetch.lead_id, "step": "fetch", "reason": "refused"})
    assert ask("redrive", "checks") == (200, {"letters": 1})
    again = arrivals.fetch(fetch.lead_id)
    assert again is not None
    assert (again.state, again.next_attempt_at) == (FetchState.PENDING, None)


def test_what_its_partner_would_not_take_is_not_sent(ask: Ask, queues: dict[str, str], store: Store) -> None:
    lacking = LEAD.model_copy(update={"loan": Loan()})
    store.accept(lacking, phone_hash=None)
    store.apply(steps.gave_up(delivery(store), NOW, "spent"))
    note = {"lead_id": LEAD.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}
    put(queues["dead-submit-leadleader"], note)
    assert ask("redrive", "submit-leadleader") == (200, {"letters": 1})
    assert delivery(store).state is State.FAILED
