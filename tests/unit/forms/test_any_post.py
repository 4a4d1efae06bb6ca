"""Whatever is posted to any source: an answer, never a failure of ours, and never a lead that nobody proved.

100 posts as a rule, 20,000 with HYPOTHESIS_PROFILE=nightly (`make fuzz`).
"""

import base64
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadbridge.runtime.logs import logger
from quality.testkit.forms.receiver import Endpoint, cases, configured, opened, proven, sample, secrets_of
from quality.testkit.rubbish import any_text, json_values

CASES = cases()
ANSWERS = {200, 202, 400, 401, 404, 413, 415, 422}
POSTS = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 100
FIELDS = sorted({label for source in configured().sources.values() for label in source.fields})
NAMES = [
    *("test", "tranid", "token", "COOKIES", "_charset_", "rawRequest", "submissionID", "form_id", "utm_source", "a[]"),
    *("fields[x][value]", "fields[x][title]", "meta[page_url][value]", "Remote IP", "google_key", "is_test", "lead_id"),
    *("payload", "form_response", "data", "fields", "answers", "options", "hidden", "user_column_data", "event_type"),
]
CHARSETS = [
    *("utf-8", "windows-1251", "koi8-u", "utf-16", "utf-32-be", "iso-8859-5", "us-ascii", "idna", "rot13", "hex"),
    *("zlib", "punycode", "unicode_escape", "undefined", "utf-7", "mbcs", "x" * 99, "\ud800", "\0", "..", ""),
]
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""]

names = st.sampled_from([*FIELDS, *NAMES]) | any_text(12)
values = st.sampled_from(["0500002010", "3055006677", "12", "6000,50", "test", "utf-16", "", "\ud800"]) | any_text()
pairs = st.lists(st.tuples(names, values), max_size=12)
cuts = st.tuples(st.integers(0, 4000), st.integers(0, 40), st.binary(max_size=12))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """One endpoint for all posts; its log is discarded."""
    before = logger.log_level
    logger.setLevel(logging.CRITICAL)
    with opened(configured()) as endpoint:
        yield endpoint
    logger.setLevel(before)


def urlencoded(fields: list[tuple[str, str]]) -> bytes:
    quoted = ([quote_plus(text, errors="surrogatepass") for text in field] for field in fields)
    return "&".join("=".join(field) for field in quoted).encode()


def multipart(fields: list[tuple[str, str]], boundary: str) -> bytes:
    parts = (f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    return f"{''.join(parts)}--{boundary}--\r\n".encode(errors="surrogatepass")


def body_of(event: dict[str, Any]) -> bytes:
    body = event["body"]
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode(errors="surrogatepass")


def changed_json(data: st.DataObject, body: bytes) -> bytes:
    """The sample's JSON with something else in one of its places, at any depth."""
    try:
        content = json.loads(body)
    except ValueError:
        return written(data.draw(json_values()))
    place = content
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(json_values())
            break
        place = place[key]
    return written(content)


def written(content: Any) -> bytes:
    """JSON with integers of any length, as other languages write them."""
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(content, default=str).encode()
    finally:
        sys.set_int_max_str_digits(most)


@st.composite
def posts(draw: st.DrawFn) -> dict[str, Any]:
    """A sample with its body, its type, its headers or its address changed, or all of them."""
    event = sample(draw(st.sampled_from(CASES)))
    body = body_of(event)
    boundary = draw(st.sampled_from(["B", "B" * 70, "б", ""]))
    match draw(st.integers(0, 5)):
        case 0:
            body = draw(st.binary(max_size=200))
        case 1:
            body = urlencoded(draw(pairs))
        case 2:
            body = multipart(draw(pairs), boundary)
        case 3:
            body = changed_json(draw(st.data()), body)
        case 4:
            for start, length, inserted in draw(st.lists(cuts, max_size=4)):
                body = body[:start] + inserted + body[start + length :]
        case _:
            pass
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if draw(st.integers(0, 3)):
        kind = draw(st.sampled_from([headers["content-type"], *TYPES]))
        charset = draw(st.none() | st.sampled_from(CHARSETS) | any_text(10))
        own = "" if charset is None else f"; charset={charset}"
        headers["content-type"] = f"{kind}{own}{f'; boundary={boundary}' if kind.startswith('multipart') else ''}"
    encoded = draw(st.booleans())
    text = base64.b64encode(body).decode() if encoded else body.decode(errors="replace")
    return {**event, "headers": headers, "body": text, "isBase64Encoded": encoded}


def with_a_false_proof(draw: Any, event: dict[str, Any]) -> dict[str, Any]:
    """The event with headers and parameters that anybody could think of."""
    wrong = any_text(60) | st.sampled_from(["", "sha256=", "a" * 100_000, secrets_of("nobody")[0]])
    names = st.sampled_from(
        [
            *("typeform-signature", "tally-signature", "x-webflow-signature", "x-webflow-timestamp", "webhook-id"),
            *("webhook-signature", "webhook-timestamp", "x-webhook-token", "x-api-key", "referer", "authorization"),
        ]
    )
    parameters = draw(st.none() | st.dictionaries(st.sampled_from(["token", "Token", ""]), wrong, max_size=2))
    return {
        **event,
        "headers": {**event["headers"], **draw(st.dictionaries(names, wrong, max_size=4))},
        "queryStringParameters": parameters,
    }


@settings(max_examples=POSTS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(event=posts(), data=st.data())
def test_any_post_gets_an_answer_and_no_forgery_is_taken(endpoint: Endpoint, event: dict[str, Any], data: Any) -> None:
    before = len(endpoint.store.leads)
    status, _ = endpoint.take(with_a_false_proof(data.draw, event))
    assert status in ANSWERS - {200, 202, 422}
    assert len(endpoint.store.leads) == before
    try:
        genuine = proven(event, data.draw(st.integers(0, 1)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return  # Google's proof is in a body that can be read
    status, answer = endpoint.take(genuine)
    assert status in ANSWERS
    assert len(endpoint.store.leads) == before + (
        answer["status"] in {"received", "incomplete"} and "duplicate" not in answer
    )
