"""Meta Lead Ads (Facebook and Instagram): webhooks of the object `page`, field `leadgen`.

A post contains only ids: `{"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {…}}]}]}`. The leads
are read from Graph. `X-Hub-Signature-256: sha256=<hex>` is the HMAC-SHA256 of the raw body under the app's secret. Meta
verifies the address with a GET request before the first post.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from leadbridge.auth.secret_forms import forms_of
from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request, Submission, Unreadable
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.settings import Source

SIGNATURE = "x-hub-signature-256"
KEYS = ("leadgen_id", "form_id", "page_id", "ad_id", "adgroup_id", "created_time")
# Ids of a lead, by their names in the post and at Graph.
IDS = {
    "leadgen_id": "leadgen_id",
    "ad_id": "creative_id",
    "adgroup_id": "adgroup_id",
    "adset_id": "adgroup_id",
    "campaign_id": "campaign_id",
}
DASHBOARD_SAMPLE = "444444444444"  # id of the lead and of the page in posts of the app dashboard's Test button
TESTING_TOOL = re.compile(r"<?test lead: dummy data for", re.IGNORECASE)
MAX_DISCLAIMERS = 30
CHECKED = ("1", "true", 1, True)  # Graph writes "1"; an empty text means not checked
TESTING_TOOL_EMAILS = frozenset({"test@meta.com", "test@fb.com"})

content_types = ("application/json",)
MAX_LEADS = 1000  # of a post; Meta sends no more
max_body_bytes = 1_048_576  # a post has up to a thousand changes, and Meta would repeat a rejected one unchanged


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes. Raises SignatureInvalid."""
    header = request.headers.get(SIGNATURE, "")
    if not re.fullmatch(r"sha256=[0-9a-f]{64}", header):
        raise SignatureInvalid("x-hub-signature-256 is missing or malformed")
    usable = [form for secret in secrets for form in forms_of(secret)]
    matches = [hmac.compare_digest(sign(secret, request.body).encode(), header.encode()) for secret in usable]
    if not any(matches):
        raise SignatureInvalid("the signature does not match")


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Return the leads of a post, each once. Raises Unreadable.

    A `leadgen` change without a lead's id is ignored, unless there is no other.
    """
    content = read_object(request.body)
    if content.get("object") != "page":
        return ()
    values = [change.get("value") for change in _changes(content) if change.get("field") == "leadgen"]
    named = {keys["leadgen_id"]: keys for keys in map(_keys, values) if "leadgen_id" in keys}
    if values and not named:
        raise Unreadable("the body contains no lead id")
    if len(named) > MAX_LEADS:
        raise Unreadable(f"the body contains more than {MAX_LEADS} leads")
    return tuple(
        Submission(values={}, delivery_id=leadgen_id, is_test=_is_sample(keys), to_fetch=keys)
        for leadgen_id, keys in named.items()
    )


def answer_challenge(query: Mapping[str, str], credentials: Mapping[str, Any]) -> str:
    """Return the challenge of Meta's verification request. Raises SignatureInvalid."""
    expected, given = credentials.get("verify_token"), query.get("hub.verify_token", "")
    challenge = query.get("hub.challenge", "")
    if query.get("hub.mode") != "subscribe" or not re.fullmatch(r"[A-Za-z0-9._~-]{1,256}", challenge):
        raise SignatureInvalid("hub.mode or hub.challenge is missing or malformed")
    known = isinstance(expected, str) and bool(expected)
    token = given.encode(errors="surrogatepass")
    if not hmac.compare_digest(token, str(expected).encode(errors="surrogatepass")) or not known:
        raise SignatureInvalid("hub.verify_token is wrong")
    return challenge


def read(lead: Mapping[str, Any], keys: Mapping[str, str], source: Source) -> Submission:
    """Parse a lead of Graph: `field_data`, the platform, and the consent boxes. Undocumented values are omitted.

    Graph returns the keys of the boxes (`custom_disclaimer_responses`), not their texts.
    """
    answers = {"utm_source": lead.get("platform"), "utm_content": keys.get("ad_id")}
    answers |= {name: answer for name, answer in map(_answer, _objects(lead.get("field_data"))) if name}
    texts = {name: answer for name, answer in answers.items() if isinstance(answer, str) and answer}
    disclaimers = _disclaimers(lead)
    texts = {**disclaimers, **texts}
    consent = {"given_at": lead.get("created_time"), "form": lead.get("form_id") or keys.get("form_id")}
    consent["text"] = "; ".join(f"{name}: {text}" for name, text in disclaimers.items())
    consent_texts = {name: value for name, value in consent.items() if isinstance(value, str)}
    given = {**keys, **{name: value for name, value in lead.items() if isinstance(value, str) and value}}
    if given.get("adgroup_id") == given.get("ad_id"):
        given.pop("adgroup_id", None)  # Meta repeats the ad's id under an older name
    ids = {name: given[key] for key, name in IDS.items() if key in given}
    return Submission(
        values=to_sections(texts, source, consent_texts, ids),
        delivery_id=keys.get("leadgen_id"),
        is_test=any(_is_dummy(answer) for answer in texts.values()),
        answers=texts,
    )


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request with Meta's signature."""
    return replace(request, headers={**request.headers, SIGNATURE: sign(secret, request.body)})


def sign(secret: str, body: bytes) -> str:
    """Return the `X-Hub-Signature-256` header of a body, for senders and tests."""
    return f"sha256={hmac.digest(secret.encode(errors='surrogatepass'), body, hashlib.sha256).hex()}"


def _changes(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = content.get("entry")
    if not isinstance(entries, list):
        raise Unreadable("the body has no list of entries")
    return [change for entry in _objects(entries) for change in _objects(entry.get("changes"))]


def _keys(value: object) -> dict[str, str]:
    """Return the documented ids of a change as text. Meta writes them as numbers or as text."""
    found = value if isinstance(value, dict) else {}
    texts = {name: str(found[name]) for name in KEYS if type(found.get(name)) in (int, str)}
    return {name: text for name, text in texts.items() if re.fullmatch(r"[0-9]{1,32}", text)}


def _is_sample(keys: Mapping[str, str]) -> bool:
    return keys["leadgen_id"] == keys.get("page_id") == DASHBOARD_SAMPLE


def _answer(field: dict[str, Any]) -> tuple[str, str]:
    name, values = field.get("name"), field.get("values")
    texts = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
    return name if isinstance(name, str) else "", ", ".join(texts)


def _disclaimers(lead: Mapping[str, Any]) -> dict[str, str]:
    """Return whether each box of the custom disclaimer is checked, by `disclaimer.` and its key."""
    boxes = _objects(lead.get("custom_disclaimer_responses"))[:MAX_DISCLAIMERS]
    return {
        f"disclaimer.{box['checkbox_key']}": "yes" if box.get("is_checked") in CHECKED else "no"
        for box in boxes
        if isinstance(box.get("checkbox_key"), str)
    }


def _is_dummy(answer: str) -> bool:
    return bool(TESTING_TOOL.match(answer)) or answer.lower() in TESTING_TOOL_EMAILS


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
