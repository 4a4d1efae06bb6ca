"""Google Ads lead forms: JSON that contains its token, `google_key`.

Unknown fields are ignored: Google adds fields. `lead_id` is unique across all forms; `is_test` marks test data, and
so does the published id of Google's example. The ids of the click, campaign, ad group and creative become ids of the
lead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request, Submission, Unreadable
from leadbridge.forms.mapping import add_answer, to_sections
from leadbridge.forms.parsing.bodies import JSON, read_json
from leadbridge.forms.parsing.json_shapes import objects_in
from leadbridge.forms.parsing.nested import Fields, as_text
from leadbridge.forms.tokens import verify_secret
from leadbridge.settings import Source

KEY = "google_key"
IDS = {  # of a lead, by their names in the post
    "gcl_id": "gclid",
    "gclid": "gclid",
    "gbraid": "gbraid",
    "wbraid": "wbraid",
    "lead_id": "leadgen_id",
    "campaign_id": "campaign_id",
    "adgroup_id": "adgroup_id",
    "creative_id": "creative_id",
}
EXAMPLE_ID = "TeSter-"  # how the lead's id in Google's example begins

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the key in the body. Raises SignatureInvalid, also for a body that cannot be read."""
    try:
        key = read_json(request).get(KEY)
    except Unreadable as reason:
        raise SignatureInvalid(str(reason)) from None
    if not isinstance(key, str) or not key:
        raise SignatureInvalid(f"the {KEY} is missing")
    verify_secret(secrets, key)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one lead. Raises Unreadable."""
    content = read_json(request)
    answers: Fields = {}
    for column in objects_in(content.get("user_column_data")):
        names = (as_text(column.get("column_id")), as_text(column.get("column_name")))
        add_answer(answers, names, as_text(column.get("string_value")), source)
    consent = {
        "given_at": as_text(content.get("lead_submit_time")),
        "form": as_text(content.get("form_id")),
    }
    ids = {name: found for key, name in IDS.items() if (found := as_text(content.get(key))) and found != "0"}
    submission = Submission(
        values=to_sections(answers, source, consent, ids),
        delivery_id=as_text(content.get("lead_id")) or None,
        is_test=as_text(content.get("is_test")).lower() == "true"
        or as_text(content.get("lead_id")).startswith(EXAMPLE_ID),
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request as Google sends it: with the key in its body."""
    content = {**json.loads(request.body), KEY: secret}
    return replace(request, body=json.dumps(content, ensure_ascii=False).encode())
