"""GET /sources: whether a form is connected, from its first refused post to its first lead."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.settings import Settings, Source
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.posts import PostCounter
from leadbridge.storage.table import open_table
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.fixtures import TABLE, Context, queue
from quality.testkit.operator_api import Get
from quality.testkit.wiring import passes_stream_filter

TOKEN = "a token of the tests alone"
NAMES = {"Name": "person.full_name", "Phone": "person.phone", "ІПН": "person.tax_number", "Job": "person.activity"}
NAMES |= {"Sum": "loan.amount", "Months": "loan.term", "E-mail": "person.email"}
ANSWERS = {"Name": "Прикладенко Олена Іванівна", "Phone": "0500000001", "ІПН": "3068208400", "Job": "вчителька"}
ANSWERS |= {"Sum": "6000", "Months": "12"}


class Form:
    """A form and the functions behind it."""

    def __init__(self, receive: ModuleType, stats: ModuleType, get: Get, context: Context) -> None:
        self.receive, self.stats, self._get, self.context = receive, stats, get, context

    def post(self, token: str = TOKEN, **answers: str) -> tuple[int, dict[str, Any]]:
        """Post answers, as a server does."""
        event = {
            "httpMethod": "POST",
            "resource": "/webhooks/{source}",
            "pathParameters": {"source": "mine"},
            "queryStringParameters": {"token": token},
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(answers),
        }
        response = self.receive.handler(event, self.context)
        return response["statusCode"], json.loads(response["body"])

    def test(self, source: str = "mine") -> tuple[int, dict[str, Any]]:
        """Request a test post, as an operator does."""
        event = {
            "httpMethod": "POST",
            "resource": "/sources/{source}/test",
            "pathParameters": {"source": source},
            "requestContext": {"authorizer": {"operator": "olena"}},
        }
        response = self.receive.handler(event, self.context)
        return response["statusCode"], json.loads(response["body"])

    def shown(self, source: str = "mine", **query: str) -> dict[str, Any]:
        """What GET /sources returns of a source, after the stream was read."""
        records = [one for one in memory_table(TABLE).take_records() if passes_stream_filter(one, "UpdateStats")]
        assert self.stats.handler({"Records": records}, self.context) == {"batchItemFailures": []}
        status, body = self._get("/sources", **query)
        assert status == 200
        return next(one for one in body["sources"] if one["source"] == source)


@pytest.fixture
def form(
    get: Get,
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Form:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead"))
    secrets = {"mine": {"secrets": [TOKEN]}, "signed": {"secrets": ["not base64 !"]}}
    aws.secrets_manager().create_secret(Name="leadbridge/sources", SecretString=json.dumps(secrets))
    mine = Source(adapter="plain", partners=("leadleader",), fields=NAMES, on_invalid="refuse")
    sources = {**shipped_settings.sources, "mine": mine, "signed": shipped_settings.sources["web"]}
    settings = shipped_settings.model_copy(update={"sources": sources})
    receive, stats = function("receive_lead"), function("update_stats")
    posts = PostCounter(open_table(), settings.alerts.time_zone, sources)
    receiver = replace(receive.receiver(), settings=settings, posts=posts)
    monkeypatch.setattr(receive, "receiver", lambda: receiver)
    monkeypatch.setattr("leadbridge.api.routes.sources.settings", lambda: settings)
    return Form(receive, stats, get, context)


def arriving(shown: dict[str, Any]) -> dict[str, bool | None]:
    return {one["name"]: one["arrives"] for one in shown["fields"]}


def test_a_source_is_shown_from_the_moment_it_is_configured(form: Form) -> None:
    shown = form.shown()
    assert (shown["path"], shown["adapter"], shown["partners"]) == ("/webhooks/mine", "plain", ["leadleader"])
    assert shown["on_invalid"] == "refuse"
    assert [shown[name] for name in ("last_post_at", "last_accepted_at", "last_refused_at", "last_invalid")] == [
        None
    ] * 4
    assert (shown["days"], shown["unused"]) == ([], [])
    assert set(arriving(shown).values()) == {None}


def test_the_test_lead_of_a_deployment_is_no_form(get: Get) -> None:
    _, body = get("/sources")
    assert "self-check" not in {one["source"] for one in body["sources"]}


def test_a_form_is_connected_step_by_step(form: Form) -> None:
    today = utc_now().date().isoformat()
    assert form.post(token="wrong", **ANSWERS)[0] == 401
    wrong = {"Telephone": "0500000001", **{name: value for name, value in ANSWERS.items() if name != "Phone"}}
    assert form.post(**wrong)[0] == 422
    shown = form.shown()
    assert shown["last_refused_as"] == "invalid-lead"
    assert shown["last_post_at"] == shown["last_refused_at"] == shown["last_invalid"]["at"]
    assert [(one["field"], one["code"]) for one in shown["last_invalid"]["errors"]] == [("person.phone", "required")]
    assert shown["last_invalid"]["unused"] == ["Telephone"]
    assert (shown["last_accepted_at"], set(arriving(shown).values())) == (None, {None})

    assert form.post(**ANSWERS, Colour="red", utm_campaign="spring", gclid="g-1")[0] == 202
    assert form.post(**ANSWERS, Colour="red", utm_campaign="spring", gclid="g-1")[1]["duplicate"] is True
    shown = form.shown()
    assert shown["last_accepted_at"] is not None
    (day,) = shown["days"]
    assert day == {
        "day": today,
        "accepted": 1,
        "incomplete": 0,
        "repeated": 1,
        "tests": 0,
        "ignored": 0,
        "honeypot": 0,
        "refused": {"invalid-lead": 1, "not-authentic": 1},
    }
    assert arriving(shown) == {**dict.fromkeys(NAMES, True), "E-mail": False}
    assert shown["unused"] == [{"name": "Colour", "last_seen": today}]
    assert "0500000001" not in json.dumps(shown)


def test_an_accepted_lead_costs_no_further_write(form: Form, store: LeadRepository) -> None:
    table = memory_table(TABLE)
    form.post(**ANSWERS, Colour="red")
    first = len(table.take_records())
    form.post(**{**ANSWERS, "Phone": "0500000002"}, Colour="red")
    records = table.take_records()
    assert len(records) == first
    assert not [one for one in records if "unused" in one["dynamodb"].get("NewImage", {})]


def test_a_value_that_cannot_be_read_has_arrived(form: Form) -> None:
    form.post(**ANSWERS, **{"E-mail": "no address"})
    assert arriving(form.shown())["E-mail"] is True


def test_leads_of_other_days_are_not_shown(form: Form) -> None:
    form.post(**ANSWERS)
    form.post(token="wrong")
    form.shown()
    tomorrow = (utc_now() + timedelta(days=1)).date().isoformat()
    shown = form.shown(**{"from": tomorrow, "to": tomorrow})
    assert (shown["days"], shown["last_post_at"]) == ([], None)
    assert set(arriving(shown).values()) == {None}


@pytest.mark.parametrize(
    "query", [{"from": "2026-03-02", "to": "2026-03-01"}, {"from": "2026-01-01", "to": "2026-03-01"}]
)
def test_too_many_days_are_refused(get: Get, query: dict[str, str]) -> None:
    assert get("/sources", **query)[0] == 400


@pytest.mark.parametrize("name", ["no-such-form", "+380500000001", "web#2026-11-02", ""])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"body": "{}"}, id="unsigned"),
        pytest.param({"body": "x" * 2_000_000}, id="too large"),
        pytest.param({"body": "A" * 2_000_000, "isBase64Encoded": True}, id="too large, encoded"),
        pytest.param({"body": "no base64!", "isBase64Encoded": True}, id="cannot be decoded"),
        pytest.param({"body": "{}", "headers": {"Content-Type": "image/png", "Origin": "https://x.ua"}}, id="type"),
    ],
)
def test_an_unknown_source_creates_nothing(form: Form, name: str, body: dict[str, Any]) -> None:
    memory_table(TABLE).take_records()
    event = {
        "httpMethod": "POST",
        "resource": "/webhooks/{source}",
        "pathParameters": {"source": name},
        "headers": {"Content-Type": "application/json"},
        **body,
    }
    assert form.receive.handler(event, form.context)["statusCode"] == 404
    assert memory_table(TABLE).take_records() == []


def test_a_test_post_shows_that_the_source_is_ready_and_is_stored_nowhere(form: Form) -> None:
    memory_table(TABLE).take_records()
    assert form.test() == (200, {"status": "test"})
    assert memory_table(TABLE).take_records() == []


@pytest.mark.parametrize(("source", "status"), [("no-such-form", 404), ("web", 503), ("signed", 503)])
def test_a_test_post_shows_a_source_that_is_not_ready(form: Form, source: str, status: int) -> None:
    assert form.test(source)[0] == status
