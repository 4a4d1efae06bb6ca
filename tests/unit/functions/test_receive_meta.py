"""POST and GET /webhooks/{source} for Meta: every answer, and that a lead is stored once, however it is named."""

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import utc_now
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import lead_id_of
from leadbridge.forms.adapters import meta
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.forms.meta_posts import ONE, SECRET, body, change, json_text
from quality.testkit.rubbish import any_text, json_values

VERIFY = "a verify token of the tests alone"

Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def app(store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType]) -> ModuleType:
    entries = {"meta-credit": {"secrets": [SECRET], "verify_token": VERIFY}, "web": {"secrets": ["whsec_c2VjcmV0"]}}
    aws.secrets_manager().create_secret(Name="leadbridge/sources", SecretString=json.dumps(entries))
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString='{"key": "k"}')
    return function("receive_lead")


@pytest.fixture
def post(app: ModuleType, context: Context) -> Post:
    """Post a body to the handler as Meta does."""

    def send(text: str, *, secret: str = SECRET, encoded: bool = False, **headers: str) -> tuple[int, dict[str, Any]]:
        raw = text.encode(errors="surrogatepass")
        given_headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": meta.sign(secret, raw),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        event = {
            "httpMethod": "POST",
            "pathParameters": {"source": "meta-credit"},
            "headers": given_headers,
            "body": base64.b64encode(raw).decode() if encoded else text,
            "isBase64Encoded": encoded,
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


def stored() -> int:
    return sum(item["sk"]["S"] == "LEAD" for item in aws.dynamodb().scan(TableName=TABLE)["Items"])


def id_of(leadgen_id: str) -> str:
    return lead_id_of("meta-credit", f"id:{leadgen_id}")


def test_a_named_lead_is_stored_empty_and_waits_to_be_fetched(post: Post, store: LeadRepository) -> None:
    assert post(body(change())) == (202, {"lead_id": id_of(ONE), "status": "received"})
    journey = store.journey(id_of(ONE))
    assert journey is not None
    assert (journey.status, journey.deliveries, journey.lead.partners) == (LeadStatus.RECEIVED, {}, ())
    assert journey.fetch is not None
    assert (journey.fetch.state, journey.fetch.keys["leadgen_id"]) == (FetchState.PENDING, ONE)
    assert [entry.what for entry in journey.timeline] == ["received"]


def test_a_redelivery_meets_its_own_lead(post: Post) -> None:
    post(body(change()))
    again = {"lead_id": id_of(ONE), "status": "received", "duplicate": True}
    assert post(body(change()), encoded=True) == (200, again)
    assert stored() == 1


def test_a_post_of_many_leads_stores_each_and_again_none(post: Post) -> None:
    many = body(*(change(str(number)) for number in range(1, 31)))
    lead_ids = [id_of(str(number)) for number in range(1, 31)]
    assert post(many) == (202, {"lead_id": lead_ids[0], "status": "received", "lead_ids": lead_ids})
    assert stored() == 30
    answered = {"lead_id": lead_ids[0], "status": "received", "duplicate": True, "lead_ids": lead_ids}
    assert post(many) == (200, answered)
    assert stored() == 30


def test_a_redelivery_completes_a_batch_of_which_half_was_stored(
    post: Post, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, calls = LeadRepository.accept, iter(range(100))

    def failing(self: LeadRepository, *args: Any, **kwargs: Any) -> str | None:
        if next(calls) == 2:
            raise RuntimeError("the table is away")
        return accept(self, *args, **kwargs)

    monkeypatch.setattr(LeadRepository, "accept", failing)
    batch = body(*(change(str(number)) for number in range(1, 6)))
    assert post(batch)[0] == 500
    assert stored() == 2
    status, answer = post(batch)
    assert (status, len(answer["lead_ids"]), stored()) == (202, 5, 5)
    fetches = [FetchRepository(Table(aws.dynamodb(), TABLE)).fetch(id_of(str(number))) for number in range(1, 6)]
    assert all(fetch is not None and fetch.version == 1 for fetch in fetches)


def test_a_batch_too_large_for_its_time_goes_on_where_it_ended(
    app: ModuleType, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """Every look at the clock takes a second."""

        now = utc_now()

        def __call__(self) -> Any:
            self.now += timedelta(seconds=1)
            return self.now

    real = app.receiver()
    slow = replace(real, clock=Slow())
    monkeypatch.setattr(app, "receiver", lambda: slow)
    batch = body(*(change(str(number)) for number in range(1, 11)))
    assert [post(batch)[0] for _ in range(4)] == [503, 503, 202, 200]
    assert stored() == 10


def test_the_dashboards_sample_is_a_test_and_hides_no_lead_beside_it(post: Post) -> None:
    sample = change("444444444444", page_id="444444444444")
    assert post(body(sample)) == (200, {"status": "test"})
    assert stored() == 0
    assert post(body(sample, change()))[1]["lead_id"] == id_of(ONE)
    assert stored() == 1


BROKEN: list[tuple[str, dict[str, Any], int]] = [
    (body(), {}, 200),
    ('{"object": "user", "entry": []}', {}, 200),
    ("", {}, 400),
    ("nonsense", {}, 400),
    ("[]", {}, 400),
    ('{"object": "page", "object": "page"}', {}, 400),
    ('{"object": "page", "entry": 1}', {}, 400),
    ("[" * 100_000, {}, 400),
    (body(change("me")), {}, 400),
    (body(change()), {"secret": "another"}, 401),
    (body(change()), {"X_Hub_Signature_256": ""}, 401),
    (body(change()), {"X_Hub_Signature_256": "sha256=ні"}, 401),
    (body(change()), {"Content_Type": "text/plain"}, 415),
    (" " * 300_000 + body(), {}, 200),
    (" " * 1_100_000, {}, 413),
]


@pytest.mark.parametrize(("text", "options", "status"), BROKEN)
def test_a_broken_post_gets_a_clear_answer_and_stores_nothing(
    post: Post, text: str, options: dict[str, Any], status: int
) -> None:
    assert post(text, **options)[0] == status
    assert stored() == 0


def test_no_rubbish_makes_the_handler_fail(post: Post) -> None:
    @given(
        text=any_text(200) | json_values().map(lambda value: json_text({"object": "page", "entry": value})),
        header=st.none() | any_text(80),
    )
    def never_fails(text: str, header: str | None) -> None:
        headers = {} if header is None else {"X_Hub_Signature_256": header}
        status, _ = post(text, **headers)
        assert status < 500
        assert header is None or status in {401, 413}

    never_fails()
    assert stored() <= 100


# ---------------------------------------------------------------- the address's verification

ASKED = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444"}


def ask(app: ModuleType, context: Context, query: Any, source: str = "meta-credit") -> dict[str, Any]:
    event = {"httpMethod": "GET", "pathParameters": {"source": source}, "headers": {}, "queryStringParameters": query}
    response: dict[str, Any] = app.handler(event, context)
    return response


def test_the_challenge_is_echoed_as_plain_text_that_no_browser_takes_for_more(
    app: ModuleType, context: Context
) -> None:
    response = ask(app, context, ASKED)
    assert (response["statusCode"], response["body"]) == (200, "1158201444")
    assert response["headers"]["Content-Type"].startswith("text/plain")
    assert response["headers"]["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("changes", "source", "status"),
    [
        ({"hub.verify_token": "another"}, "meta-credit", 403),
        ({"hub.verify_token": ""}, "meta-credit", 403),
        ({"hub.verify_token": "\ud800"}, "meta-credit", 403),
        ({"hub.mode": "unsubscribe"}, "meta-credit", 403),
        ({"hub.challenge": "<script>"}, "meta-credit", 403),
        ({"hub.challenge": "1" * 257}, "meta-credit", 403),
        ({"hub.challenge": ""}, "meta-credit", 403),
        ({}, "web", 403),
        ({}, "nobody", 404),
    ],
)
def test_a_wrong_verify_token_gets_no_challenge(
    app: ModuleType, context: Context, changes: dict[str, str], source: str, status: int
) -> None:
    response = ask(app, context, ASKED | changes, source)
    assert response["statusCode"] == status
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert VERIFY not in response["body"]


@pytest.mark.parametrize("query", [None, {}])
def test_a_bare_visit_is_refused(app: ModuleType, context: Context, query: Any) -> None:
    assert ask(app, context, query)["statusCode"] == 403


def test_a_source_without_a_verify_token_verifies_nothing(app: ModuleType, context: Context) -> None:
    entries = json.dumps({"meta-credit": {"secrets": [SECRET]}})
    aws.secrets_manager().put_secret_value(SecretId="leadbridge/sources", SecretString=entries)
    for token in ("", "None", "null"):
        assert ask(app, context, ASKED | {"hub.verify_token": token})["statusCode"] == 403


def test_a_token_that_was_just_put_is_known(app: ModuleType, context: Context) -> None:
    assert ask(app, context, ASKED)["statusCode"] == 200
    entries = json.dumps({"meta-credit": {"secrets": [SECRET], "verify_token": "new"}})
    aws.secrets_manager().put_secret_value(SecretId="leadbridge/sources", SecretString=entries)
    credentials = sys.modules["functions_receive_lead_app"].receiver().credentials
    secrets = next(cell.cell_contents for cell in credentials.__closure__ if hasattr(cell.cell_contents, "refresh"))
    secrets._kept = {name: (at - 6.0, value) for name, (at, value) in secrets._kept.items()}
    assert ask(app, context, ASKED | {"hub.verify_token": "new"})["statusCode"] == 200
