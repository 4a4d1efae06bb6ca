"""POST /webhooks/{source}: every answer of the contract, and that nothing is stored but what was accepted."""

import base64
import io
import json
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import Mock, patch

import pytest
from botocore.exceptions import ReadTimeoutError

from leadbridge.forms.adapters.standard_webhooks import sign
from leadbridge.runtime import aws
from leadbridge.runtime.logs import logger
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics import posts
from quality.testkit.aws.aws_answers import aws_error, canceled
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import asked

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests alone").decode()
BODY = json.dumps({**asked(), "loan": {"amount": 6000.5, "term": 12}}, ensure_ascii=False)

Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Post:
    """Post a body to the handler as the gateway does, signed unless told otherwise."""
    put_secret("leadbridge/sources", {"web": {"secrets": [SECRET]}})
    put_secret("leadbridge/index", {"key": "an index key of the tests alone"})
    app = function("receive_lead")

    def send(
        body: str = BODY,
        *,
        source: str = "web",
        message_id: str = "msg_1",
        secret: str = SECRET,
        encoded: bool = False,
        **headers: str,
    ) -> tuple[int, dict[str, Any]]:
        now = int(time.time())
        raw = body.encode(errors="surrogatepass")
        given = {
            "Content-Type": "application/json; charset=utf-8",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, message_id, now, raw),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        event = {
            "httpMethod": "POST",
            "resource": "/webhooks/{source}",
            "pathParameters": {"source": source},
            "headers": given,
            "queryStringParameters": None,
            "body": base64.b64encode(raw).decode() if encoded else body,
            "isBase64Encoded": encoded,
        }
        response = app.handler(event, context)
        content = json.loads(response["body"])
        if response["statusCode"] >= 400:
            assert response["headers"]["Content-Type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= set(content)
            content["retry_after"] = response["headers"].get("Retry-After")
        return response["statusCode"], content

    return send


def put_secret(name: str, value: dict[str, Any]) -> None:
    client = aws.secrets_manager()
    try:
        client.create_secret(Name=name, SecretString=json.dumps(value))
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(value))


def stored() -> int:
    """Return the number of items that belong to leads, and not to the statistics."""
    return sum(one["pk"]["S"] != posts.PARTITION for one in aws.dynamodb().scan(TableName=TABLE)["Items"])


def test_a_good_lead_is_accepted_and_stored(post: Post, store: LeadRepository) -> None:
    status, answer = post()
    assert (status, answer["status"]) == (202, "received")
    lead = store.lead(answer["lead_id"])
    assert lead is not None
    assert (lead.person.phone, str(lead.loan.amount)) == ("+380500000001", "6000.5")


def test_a_redelivery_gets_its_own_lead(post: Post) -> None:
    _, first = post()
    status, again = post()
    assert (status, again) == (200, {"lead_id": first["lead_id"], "status": "received", "duplicate": True})
    assert post(message_id="msg_2")[1]["lead_id"] != first["lead_id"]


def test_a_test_ping_is_answered_and_stored_nowhere(post: Post) -> None:
    assert post(json.dumps({"test": True})) == (200, {"status": "test"})
    assert stored() == 0


def test_the_gateways_base64_is_undone_before_the_proof(post: Post) -> None:
    assert post(encoded=True)[0] == 202


def test_an_invalid_lead_names_every_wrong_field_and_is_not_stored(post: Post) -> None:
    body: dict[str, dict[str, Any]] = {
        "person": {"full_name": " ", "phone": "+48 600 000 000", "tax_number": "12"},
        "loan": {"amount": -1},
    }
    status, problem = post(json.dumps(body))
    assert status == 422
    assert {error["field"] for error in problem["errors"]} == {
        "person.full_name",
        "person.phone",
        "person.tax_number",
        "person.activity",
        "loan.amount",
        "loan.term",
    }
    assert stored() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("nonsense", 400),
        ("[]", 400),
        ('{"person": {}, "person": {}}', 400),
        ('{"loan": {"amount": NaN}}', 400),
        ("[" * 100_000, 400),
        ('{"person": [1]}', 422),
        ('{"person": {"full_name": "\\ud800"}}', 422),
        ('{"loan": {"amount": 1e999999}}', 422),
        ('{"loan": {"amount": ' + "9" * 5000 + "}}", 422),
        (json.dumps({"person": {"full_name": "я" * 200_000}}, ensure_ascii=False), 413),
    ],
)
def test_a_broken_body_gets_a_clear_answer(post: Post, body: str, status: int) -> None:
    assert post(body)[0] == status
    assert stored() == 0


def test_what_is_not_proven_is_refused(post: Post) -> None:
    assert post(secret="whsec_" + base64.b64encode(b"somebody else's").decode())[0] == 401
    assert post(webhook_timestamp="1")[0] == 401
    assert post(webhook_signature="v1,не база")[0] == 401
    assert post(webhook_id="")[0] == 401
    assert stored() == 0


def test_an_unknown_source_and_a_wrong_type(post: Post) -> None:
    assert post(source="nobody")[0] == 404
    assert post(Content_Type="text/plain")[0] == 415


def test_a_source_without_a_secret_is_asked_to_try_again(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> None:
    app = function("receive_lead")
    event = {"pathParameters": {"source": "web"}, "headers": {"Content-Type": "application/json"}, "body": "{}"}
    assert app.handler(event, context)["statusCode"] == 503
    put_secret("leadbridge/sources", {"web": {"secrets": []}})
    assert app.handler(event, context)["statusCode"] == 503


def test_a_rotated_secret_is_believed_at_once(post: Post) -> None:
    assert post()[0] == 202
    new = "whsec_" + base64.b64encode(b"the next secret of the tests").decode()
    put_secret("leadbridge/sources", {"web": {"secrets": [new, SECRET]}})
    ages_ago()
    assert post(message_id="msg_2", secret=new)[0] == 202
    assert post(message_id="msg_3", secret=SECRET)[0] == 202


def ages_ago() -> None:
    """Let the few seconds pass in which a secret is not read twice."""
    credentials = sys.modules["functions_receive_lead_app"].receiver().credentials
    secrets = next(cell.cell_contents for cell in credentials.__closure__ if hasattr(cell.cell_contents, "refresh"))
    secrets._kept = {name: (at - 6.0, value) for name, (at, value) in secrets._kept.items()}


def test_without_the_table_the_form_is_asked_to_retry_and_gets_no_details(post: Post) -> None:
    aws.dynamodb().delete_table(TableName=TABLE)
    status, problem = post()
    assert status == 500
    assert "ResourceNotFound" not in json.dumps(problem)


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="dynamodb"),
        canceled("TransactionConflict"),
        canceled("ThrottlingError"),
        aws_error("InternalServerError"),
    ],
    ids=["no answer", "conflict", "throttling", "a fault inside AWS"],
)
def test_when_aws_is_busy_the_form_is_asked_to_try_again_within_its_five_seconds_and_no_version_is_blamed(
    post: Post, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    post()
    monkeypatch.setattr(aws.dynamodb(), "transact_write_items", Mock(side_effect=error))
    capsys.readouterr()
    began = time.monotonic()
    status, problem = post(message_id="msg_2")
    assert (status, problem["type"], problem["retry_after"]) == (503, "urn:leadbridge:problem:busy", "10")
    assert time.monotonic() - began < 4
    told = capsys.readouterr().out
    assert "ReceptionBusy" in told
    assert "ReceptionErrors" not in told
    assert "Faults" not in told
    assert "Прикладенко" not in told


def test_secrets_manager_that_is_busy_is_no_fault_of_ours(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    throttled = aws_error("ThrottlingException", "GetSecretValue")
    monkeypatch.setattr(aws.secrets_manager(), "get_secret_value", Mock(side_effect=throttled))
    assert post()[0] == 503


def test_every_503_says_when_to_try_again(post: Post) -> None:
    put_secret("leadbridge/sources", {})
    status, problem = post()
    assert (status, problem["retry_after"]) == (503, "10")


STRANGERS = ["web&token=a-secret-of-43-characters", "web?token=x", "olena@example.com", "+380500000001", "", "unknown"]


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize("named", STRANGERS)
def test_a_path_that_names_no_source_is_not_logged(
    post: Post, context: Context, method: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = io.StringIO()
    with patch.object(logger.registered_handler, "stream", log):
        event = {"httpMethod": method, "pathParameters": {"source": named}, "headers": {}, "body": "{}"}
        assert sys.modules["functions_receive_lead_app"].handler(event, context)["statusCode"] == 404
        assert post()[0] == 202
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["source"] for line in lines] == ["unknown", "web"]
    assert not named or named == "unknown" or named not in log.getvalue() + capsys.readouterr().out


def test_a_redelivery_with_other_content_is_a_duplicate_that_is_counted_and_logged(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first = post()
    other = json.dumps({**asked(phone="0500000002"), "loan": {"amount": 7000, "term": 12}}, ensure_ascii=False)
    log = io.StringIO()
    with patch.object(logger.registered_handler, "stream", log):
        assert post(other) == (200, {"lead_id": first["lead_id"], "status": "received", "duplicate": True})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "redelivered with other content"]
    assert (line["lead_id"], line["fields"]) == (first["lead_id"], ["person.phone", "loan.amount"])
    assert "RedeliveriesChanged" in capsys.readouterr().out
    assert "0500000002" not in log.getvalue()


def test_nothing_of_the_person_is_logged(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    post()
    post(json.dumps({"person": {"full_name": "Тест Тестова Тестівна", "phone": "не телефон"}}))
    said = log.getvalue() + capsys.readouterr().out
    assert '"lead_id":"ld_' in said
    assert "LeadsReceived" in said
    for private in ("Прикладенко", "500000001", "3068208400", "olena@", "Тестова", "не телефон", SECRET):
        assert private not in said
