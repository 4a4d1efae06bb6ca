"""Map a form's fields to a lead's sections, as configured for the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.base import Submission
from leadbridge.forms.parsing.nested import MAX_LABEL
from leadbridge.forms.tracking import UTM_PREFIX, add_from_page, find_ids, has_ids, id_named
from leadbridge.settings import Source

CONSENT_TEXT = "consent.text"
CHECKED_VALUES = frozenset({"on", "yes", "true", "1", "checked", "так", "да"})
FORM_PREFIX = "form."  # of a form's field in a routing rule
MAX_CHECKED_LENGTH = 64  # characters, white space included

MAX_NAMES = 100  # names of a post that are compared with the configuration
MAX_NAME_LENGTH = 255  # characters of such a name
SECTIONS = ("person", "loan", "trading", "utm", "ids", "consent")


def to_sections(
    answers: Mapping[str, str], source: Source, consent: Mapping[str, str], ids: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the sections of a lead.

    Fields with the same target are joined by a space, in the order of the configuration. Fields that are named
    `utm_…` or like an id need no configuration. `consent` and `ids` are the form builder's own data; the form's fields
    override the ids, and configured answers override both. What is still missing comes from the page's address.
    """
    sections: dict[str, Any] = {name: {} for name in SECTIONS}
    folded: dict[str, str] = {}
    for label, answer in answers.items():
        if len(label) <= MAX_LABEL and answer and not answer.isspace():
            folded.setdefault(fold(label), answer)
    sections["utm"] = {label: answer for label, answer in folded.items() if label.startswith(UTM_PREFIX)}
    sections["ids"] = {**(ids or {}), **_find_ids(folded, source)}
    sections["consent"] = {name: value for name, value in consent.items() if value}
    found: dict[str, list[str]] = {}
    for label, path in source.fields.items():
        exact = answers.get(label, "")
        answer = exact if exact.strip() else folded.get(fold_configured(label), "")
        if path == CONSENT_TEXT and is_checked(answer):
            answer = label  # the label of the box is the text that the person agreed to
        if answer:
            found.setdefault(path, []).append(answer)
    for path, texts in found.items():
        name, _, field = path.partition(".")
        sections[name][field] = " ".join(texts)
    add_from_page(sections)
    return sections


def _find_ids(folded: Mapping[str, str], source: Source) -> dict[str, str]:
    """Return the ids in a form's fields. A configured field has another meaning."""
    if not has_ids(folded):
        return {}
    configured = {fold_configured(label) for label in source.fields}
    return find_ids({label: answer for label, answer in folded.items() if label not in configured})


def configured_names(source: Source) -> frozenset[str]:
    """Return the folded names of the form's fields that the source's configuration has."""
    conditions = [
        name.removeprefix(FORM_PREFIX) for rule in source.partners for name in rule.when if name.startswith(FORM_PREFIX)
    ]
    return _all_folded((*source.fields, *((source.honeypot,) if source.honeypot else ()), *conditions))


@lru_cache(maxsize=256)
def _all_folded(configured: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(fold, configured))


def add_answer(answers: dict[str, str], names: Iterable[str], value: str, source: Source) -> None:
    """Add an answer that a builder sends under several names: under the configured ones that no other answer has.

    Without any, under the name of a tag or an id; else under the first name, so that each answer is there once. For a
    source without `fields` all names are kept: its fields are to be suggested.
    """
    free = [name for name in names if name and not answers.get(name)]
    short = [name for name in free if len(name) <= MAX_LABEL]
    configured = configured_names(source)
    used = [name for name in short if fold(name) in configured] or [name for name in short if _is_tag(fold(name))]
    for name in used or (free[:1] if source.fields else free):
        answers[name] = value


def _is_tag(folded: str) -> bool:
    return folded.startswith(UTM_PREFIX) or id_named(folded) is not None


def is_checked(answer: str) -> bool:
    """Return whether an answer is a form's value of a checked box."""
    return len(answer) <= MAX_CHECKED_LENGTH and fold(answer) in CHECKED_VALUES


@lru_cache(maxsize=2048)
def fold_configured(label: str) -> str:
    """Return `fold` of a configured label. Received text is never cached: anyone could fill the memory."""
    return fold(label)


def find_unmapped_names(submission: Submission, source: Source) -> tuple[str, ...] | None:
    """Return the names of a post's fields if none of the fields that the source configures is in it; else None."""
    if not source.fields or any(submission.values.get(name) for name in ("person", "loan", "trading")):
        return None
    names = tuple(islice(submission.answers, MAX_NAMES))
    if not names:
        return None
    configured = {fold_configured(label) for label in source.fields}
    if any(fold(name[:MAX_NAME_LENGTH]) in configured for name in names):
        return None
    return names


def find_unused_names(submission: Submission, source: Source) -> tuple[str, ...]:
    """Return the names of a post's fields that are answered, and that no line of the source's configuration uses."""
    if not source.fields:
        return ()  # the body has the names of the lead fields
    configured = configured_names(source)
    return tuple(
        name
        for name, answer in islice(submission.answers.items(), MAX_NAMES)
        if len(name) <= MAX_NAME_LENGTH and answer and not answer.isspace()
        if (folded := fold(name)) not in configured and not _is_tag(folded)
    )


def fills_honeypot(submission: Submission, source: Source) -> bool:
    """Return whether the hidden honeypot field is filled in."""
    if source.honeypot is None:
        return False
    honeypot = fold_configured(source.honeypot)
    return any(
        len(label) <= MAX_LABEL and fold(label) == honeypot
        for label, text in submission.answers.items()
        if text and not text.isspace()
    )


def with_defaults(values: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the sections with the source's defaults for empty fields."""
    filled = {name: dict(section) if isinstance(section, dict) else section for name, section in values.items()}
    for path, default in source.defaults.items():
        name, _, field = path.partition(".")
        section = filled.setdefault(name, {})
        if isinstance(section, dict) and section.get(field) in (None, ""):
            section[field] = default
    return filled
