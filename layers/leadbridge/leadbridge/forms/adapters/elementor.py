"""Elementor Pro: URL-encoded fields with a token in the URL, in one of two formats, without a submission id.

Simple data has each field under its label. Elementor's own fields (page, IP address) have labels in the site's
language. Advanced data has `fields[id][value]`, `meta[name][value]` and `form[name]`, in any language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.bodies import URLENCODED, read_fields
from leadbridge.forms.parsing.nested import Fields
from leadbridge.forms.tokens import verify_token, with_token
from leadbridge.settings import Source

# Labels of Elementor's own fields in simple data, in English and in Ukrainian.
META_LABELS = {
    "date": ("date", "дата"),
    "time": ("time", "час"),
    "page_url": ("page url", "url сторінки", "url-адреса сторінки"),
    "user_agent": ("user agent", "агент користувача", "користувацький агент"),
    "remote_ip": ("remote ip", "віддалений ip", "віддалена ip-адреса"),
}

content_types = (URLENCODED,)

_FIELD = re.compile(r"fields\[([^\]]*)\]\[(title|value)\]")
_META = re.compile(r"meta\[([^\]]*)\]\[value\]")


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the token. Raises SignatureInvalid."""
    verify_token(request, secrets)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one submission. Raises Unreadable."""
    fields = read_fields(request, source.files)
    if any(_FIELD.fullmatch(name) for name in fields):
        answers, meta = _advanced(fields)
        answers = answers or fields  # without ids they are no fields of the form, and kept for the operator
        form = fields.get("form[name]") or fields.get("form[id]", "")
    else:
        answers = {name: value for name, value in fields.items() if name not in ("form_id", "form_name")}
        meta, form = _simple_meta(fields), fields.get("form_name") or fields.get("form_id", "")
    consent = {
        "given_at": " ".join(filter(None, (meta.get("date"), meta.get("time")))),
        "form": form,
        "page_url": meta.get("page_url", ""),
        "ip": meta.get("remote_ip", ""),
        "user_agent": meta.get("user_agent", ""),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=None,
        answers=answers,
        content=fields,  # includes Elementor's time, so that a second submission is a second lead
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request as Elementor sends it: with the token in the URL."""
    return with_token(request, secret)


def _advanced(fields: Fields) -> tuple[Fields, Fields]:
    """Return the answers, each under its field's id and its label, and Elementor's own fields."""
    parts: dict[str, dict[str, str]] = {}
    meta: Fields = {}
    for name, text in fields.items():
        if field := _FIELD.fullmatch(name):
            parts.setdefault(field[1], {})[field[2]] = text
        elif added := _META.fullmatch(name):
            meta[added[1]] = text
    answers = {field_id: part.get("value", "") for field_id, part in parts.items()}
    for part in parts.values():
        answers.setdefault(part.get("title", ""), part.get("value", ""))
    answers.pop("", None)
    return answers, meta


def _simple_meta(fields: Fields) -> Fields:
    """Return Elementor's own fields. They come last, so the last of several fields with one label counts."""
    by_label = {fold(name): text for name, text in fields.items()}
    return {name: by_label[label] for name, labels in META_LABELS.items() for label in labels if label in by_label}
