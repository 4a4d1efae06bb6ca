"""The operator's routes: who is let in, what the list shows, and that no question needs a scan."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import Context
from quality.testkit.operator_api import KEY, Get, ids
from quality.testkit.people import NOW, lead

pytestmark = pytest.mark.usefixtures("shipped_settings")

ARN = "arn:aws:execute-api:eu-central-1:123456789012:api/v1/GET/leads"


@pytest.fixture
def many(store: LeadRepository) -> list[str]:
    """Thirty leads, a minute apart, every third of another source, newest first."""
    for number in range(30):
        source = "tilda" if number % 3 == 0 else "web"
        one = lead(
            number,
            source=source,
            received_at=NOW + timedelta(minutes=number),
            phone=f"+3805000000{number // 10:02d}",
        )
        store.accept(one, phone_hash=keyed_hash(KEY, one.person.phone or ""))
    return [lead(number, source="tilda" if number % 3 == 0 else "web").lead_id for number in reversed(range(30))]


def test_the_list_is_newest_first_and_pages_neither_lose_nor_repeat(get: Get, many: list[str]) -> None:
    assert ids(get) == many
    for limit in ("1", "7", "30", "100"):
        assert ids(get, limit=limit) == many


def test_a_lead_that_comes_while_paging_does_not_disturb(get: Get, many: list[str], store: LeadRepository) -> None:
    _, first = get(limit="10")
    store.accept(lead(99, received_at=NOW + timedelta(days=1)), phone_hash=None)
    assert ids(get, limit="10", cursor=first["cursor"]) == many[10:]


def test_the_list_by_source_state_partner_and_phone(get: Get, many: list[str], store: LeadRepository) -> None:
    assert ids(get, source="tilda", limit="4") == [many[29 - number] for number in range(27, -1, -3)]
    assert ids(get, partner="leadleader") == many
    assert ids(get, partner="nobody") == []
    failed = store.delivery(many[5], "leadleader")
    assert failed is not None
    store.apply(steps.fail(failed, NOW, some_error("spent")))
    assert ids(get, status="failed") == [many[5]]
    assert ids(get, status="received", limit="3") == [*many[:5], *many[6:]]
    assert ids(get, status="failed", source="nobody") == []
    assert ids(get, phone="050 000 00 02") == many[:10]
    assert ids(get, phone=" 380500000002", status="failed") == [many[5]]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "lost"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "ten"},
        {"phone": "nobody"},
        {"colour": "blue"},
        {"cursor": "nonsense"},
        {"cursor": "e30"},
        {"cursor": "W10"},
    ],
)
def test_a_question_that_cannot_be_answered_is_a_400(get: Get, query: dict[str, str]) -> None:
    status, problem = get(**query)
    assert (status, problem["status"]) == (400, 400)


def test_a_cursor_of_one_list_does_not_open_another(get: Get, many: list[str]) -> None:
    _, page = get(limit="3")
    assert get(status="received", cursor=page["cursor"])[0] == 400


def test_a_lead_is_shown_whole(get: Get, store: LeadRepository) -> None:
    one = lead()
    store.accept(one, phone_hash=None)
    seen = store.delivery(one.lead_id, "leadleader")
    assert seen is not None
    started = store.apply(steps.start_attempt(seen, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=True))
    status, shown = get("/leads/{lead_id}", one.lead_id)
    assert status == 200
    assert shown["person"]["phone"] == "+380500000001"
    assert shown["loan"] == {"amount": "6000.00", "term": 12}
    assert shown["deliveries"]["leadleader"]["deal_id"] == 24
    assert (shown["status"], shown["received_at"]) == ("submitted", "2026-03-01T12:00:00.000Z")
    assert [entry["what"] for entry in shown["timeline"]] == ["received", "submitting", "submitted"]


@pytest.mark.parametrize("lead_id", ["ld_" + "a" * 26, "ld_", "../secrets", "LEAD"])
def test_an_unknown_lead_is_a_404(get: Get, lead_id: str) -> None:
    assert get("/leads/{lead_id}", lead_id)[0] == 404


def test_health_needs_nothing(get: Get) -> None:
    assert get("/health") == (200, {"status": "ok"})


def test_a_fault_of_ours_tells_nothing(get: Get) -> None:
    aws.dynamodb().delete_table(TableName="leads")
    status, problem = get()
    assert (status, problem["title"]) == (500, "Internal error")


@pytest.fixture
def let_in(
    aws_mocked: None, function: Callable[[str], ModuleType], context: Context
) -> Callable[[str | None], str | None]:
    tokens = {"anna": "token-of-anna", "bohdan": "token-of-bohdan", "nobody": "", "broken": 7}
    aws.secrets_manager().create_secret(Name="leadbridge/operators", SecretString=json.dumps(tokens))
    app = function("authorize")

    def ask(header: str | None) -> str | None:
        event = {"type": "TOKEN", "methodArn": ARN, "authorizationToken": header}
        answer = app.handler(event, context)
        (statement,) = answer["policyDocument"]["Statement"]
        assert statement["Resource"] == "arn:aws:execute-api:eu-central-1:123456789012:api/v1/*"
        if statement["Effect"] == "Deny":
            assert "context" not in answer
            return None
        assert statement["Effect"] == "Allow"
        assert answer["context"]["operator"] == answer["principalId"]
        return str(answer["principalId"])

    return ask


def test_each_operator_is_let_in_by_a_token_of_their_own(let_in: Callable[[str | None], str | None]) -> None:
    assert let_in("Bearer token-of-anna") == "anna"
    assert let_in("bearer token-of-bohdan") == "bohdan"


@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer token-of", "token-of-anna", "Bearer ключ", "Basic 7"])
def test_other_requests_are_rejected(let_in: Callable[[str | None], str | None], header: str | None) -> None:
    assert let_in(header) is None
