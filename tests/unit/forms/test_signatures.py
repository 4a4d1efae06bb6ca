"""What proves each kind of form, and that nothing else does."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.schemas import lead_view
from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request, adapter_named
from leadbridge.storage.leads import Journey
from quality.testkit.forms.receiver import Endpoint, configured, proven, sample, secrets_of, with_headers, with_json
from quality.testkit.rubbish import any_text

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
TOKENS = ["tilda_lead", "elementor_simple", "elementor_advanced", "jotform_lead", "plain_json", "webflow_dashboard"]
SIGNED = {
    "typeform_lead": "typeform-signature",
    "webflow_signed": "x-webflow-signature",
    "tally_lead": "tally-signature",
}
ADAPTERS = ["tilda", "typeform", "webflow", "elementor", "jotform", "google_ads", "tally", "plain"]
RUBBISH = [
    "",
    " ",
    "é",
    "секрет",
    "\ud800",
    "sha256=",
    "sha256=\ud800",
    "A" * 200_000,
    "\0",
    "=",
    "sha256=AAAA, sha256=BB",
]


def query(event: dict[str, Any], **parameters: str) -> dict[str, Any]:
    return {**event, "queryStringParameters": parameters or None}


@pytest.mark.parametrize("case", TOKENS)
@pytest.mark.parametrize("token", [*RUBBISH, "put-here-by-events-sign"])
def test_a_wrong_token_is_forged(endpoint: Endpoint, case: str, token: str) -> None:
    assert endpoint.take(query(sample(case), token=token))[0] == 401
    assert endpoint.take(with_headers(query(sample(case)), x_webhook_token=token))[0] == 401


@pytest.mark.parametrize("case", TOKENS)
def test_the_token_may_come_in_a_header(endpoint: Endpoint, case: str) -> None:
    event = query(sample(case))
    secret = secrets_of(event["pathParameters"]["source"])[1]
    assert endpoint.take(with_headers(event, X_Webhook_Token=secret))[0] == 202


@pytest.mark.parametrize("case", TOKENS)
def test_a_part_of_a_token_or_more_than_it_is_forged(endpoint: Endpoint, case: str) -> None:
    secret = secrets_of(sample(case)["pathParameters"]["source"])[0]
    for token in (secret[:-1], secret[1:], f"{secret} ", secret.upper(), f"{secret}\0", secret + secret):
        assert endpoint.take(query(sample(case), token=token))[0] == 401


@pytest.mark.parametrize("place", ["token", "api_key"])
def test_tildas_key_may_come_in_a_field(endpoint: Endpoint, place: str) -> None:
    event = query(sample("tilda_lead"))
    secret = secrets_of("tilda-credit")[0]
    lead = endpoint.lead(endpoint.take({**event, "body": f"{event['body']}&{place}={secret}"}))
    assert secret not in json.dumps(lead_view(Journey(lead, {}, ())))
    assert endpoint.take({**event, "body": f"{event['body']}&{place}=wrong"})[0] == 401


def test_tildas_key_may_come_in_its_own_header(endpoint: Endpoint) -> None:
    event = with_headers(query(sample("tilda_lead")), x_api_key=secrets_of("tilda-credit")[0])
    assert endpoint.take(event)[0] == 202


def test_tildas_test_with_its_key_is_a_test(endpoint: Endpoint) -> None:
    event = query(sample("tilda_test", body=f"test=test&token={secrets_of('tilda-credit')[0]}"))
    assert endpoint.take(event) == (200, {"status": "test"})


@pytest.mark.parametrize(("case", "header"), SIGNED.items())
@pytest.mark.parametrize("value", [*RUBBISH, None])
def test_any_other_signature_is_forged(endpoint: Endpoint, case: str, header: str, value: str | None) -> None:
    assert endpoint.take(with_headers(proven(sample(case)), **{header.replace("-", "_"): value}))[0] == 401


@pytest.mark.parametrize("case", SIGNED)
def test_a_signed_body_may_not_change_by_a_space(endpoint: Endpoint, case: str) -> None:
    event = proven(sample(case))
    assert endpoint.take({**event, "body": event["body"] + " "})[0] == 401
    assert endpoint.take({**event, "body": event["body"].replace("0", "1", 1)})[0] == 401


@pytest.mark.parametrize("case", SIGNED)
def test_a_token_proves_nothing_where_a_signature_is_due(endpoint: Endpoint, case: str) -> None:
    secret = secrets_of(sample(case)["pathParameters"]["source"])[0]
    assert endpoint.take(query(sample(case), token=secret))[0] == 401


@pytest.mark.parametrize("seconds", [-301, 301, -(10**9), 10**9])
def test_webflows_time_may_differ_by_five_minutes(seconds: int) -> None:
    at = time.time() + seconds
    adapter: Any = adapter_named("webflow")
    late = adapter.sign_request(Request.of(sample("webflow_signed")), "s", datetime.fromtimestamp(at, UTC))
    now = datetime.now(UTC)
    with pytest.raises(SignatureInvalid, match="too far"):
        adapter.verify(late, ["s"], now)


@pytest.mark.parametrize(
    "timestamp", ["", "-1", "1e3", "١٢٣", "9" * 16, "\ud800", " 1793610845120", "1793610845120\n", None]
)
def test_a_malformed_time_of_webflow_is_forged(endpoint: Endpoint, timestamp: str | None) -> None:
    assert endpoint.take(with_headers(proven(sample("webflow_signed")), x_webflow_timestamp=timestamp))[0] == 401


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"google_key": null}',
        '{"google_key": ""}',
        '{"google_key": 5}',
        '{"google_key": ["x"]}',
        '{"google_key": "\\ud800"}',
        '{"google_key": "x", "google_key": "the-current-secret-of-the-tests-google-credit"}',
        '{"google_key": NaN}',
        "[" * 100_000,
    ],
)
def test_googles_key_is_in_a_body_that_can_be_read(endpoint: Endpoint, body: str) -> None:
    assert endpoint.take(sample("google_lead", body=body))[0] == 401


def test_a_token_proves_nothing_to_google(endpoint: Endpoint) -> None:
    secret = secrets_of("google-credit")[0]
    assert endpoint.take(query(sample("google_lead"), token=secret))[0] == 401
    assert endpoint.take(with_json(sample("google_lead"), google_key=secret))[0] == 202


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_no_secret_proves_nothing(adapter: str, secrets: list[str]) -> None:
    module: Any = adapter_named(adapter)
    for case in (case for case in (*TOKENS, *SIGNED, "google_lead")):
        event = sample(case)
        if configured().sources[event["pathParameters"]["source"]].adapter == adapter:
            with pytest.raises(SignatureInvalid):
                module.verify(module.sign_request(Request.of(event), "", NOW), secrets, NOW)


@pytest.mark.parametrize("adapter", ADAPTERS)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [*SIGNED.values(), "x-webflow-timestamp", "x-webhook-token", "x-api-key", "content-type", "webhook-id"]
        ),
        any_text(),
    ),
    parameters=st.dictionaries(st.sampled_from(["token", "x"]), any_text(), max_size=2),
    body=st.binary(max_size=60),
    secrets=st.lists(st.sampled_from(["", "секрет", "\ud800", "a-secret-that-nobody-guesses"]), max_size=3),
)
def test_whatever_comes_is_forged_and_nothing_else(
    adapter: str, headers: dict[str, str], parameters: dict[str, str], body: bytes, secrets: list[str]
) -> None:
    given_texts = {*headers.values(), *parameters.values()}
    if given_texts & set(secrets):
        return
    with pytest.raises(SignatureInvalid):
        adapter_named(adapter).verify(Request(headers, parameters, body), secrets, NOW)
