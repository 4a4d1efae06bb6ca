"""From a form's own fields to a lead's sections, as the source's configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.base import Submission
from leadbridge.settings import Source

CONSENT_TEXT = "consent.text"
TICKED = frozenset({"on", "yes", "true", "1", "checked", "так", "да"})  # what forms send of a ticked box

MAX_TICK = 64  # characters, white space included

SECTIONS = ("person", "loan", "trading", "utm", "consent")


def to_sections(answers: Mapping[str, str], source: Source, consent: Mapping[str, str]) -> dict[str, Any]:
    """A lead's sections out of the form's answers.

    Fields that go to the same place are joined by a space, in the order of the configuration. Fields named `utm_…`
    need no configuration. `consent` is what the builder itself says of the consent; what the configuration takes from
    the answers comes before it.
    """
    sections: dict[str, Any] = {name: {} for name in SECTIONS}
    folded: dict[str, str] = {}
    for label, answer in answers.items():
        if answer.strip():
            folded.setdefault(fold(label), answer)
    sections["utm"] = {label: answer for label, answer in folded.items() if label.startswith("utm_")}
    sections["consent"] = {name: value for name, value in consent.items() if value}
    found: dict[str, list[str]] = {}
    for label, path in source.fields.items():
        exact = answers.get(label, "")
        answer = exact if exact.strip() else folded.get(fold_configured(label), "")
        if path == CONSENT_TEXT and is_ticked(answer):
            answer = label  # the words beside the box are what was agreed to
        if answer:
            found.setdefault(path, []).append(answer)
    for path, texts in found.items():
        name, _, field = path.partition(".")
        sections[name][field] = " ".join(texts)
    return sections


def is_ticked(answer: str) -> bool:
    """Whether an answer is what a form sends for a ticked box."""
    return len(answer) <= MAX_TICK and fold(answer) in TICKED


@lru_cache(maxsize=2048)
def fold_configured(label: str) -> str:
    """Return `fold` of a label in the configuration. Only these are cached, never text that strangers send."""
    return fold(label)


def is_caught(submission: Submission, source: Source) -> bool:
    """Whether the field is filled in that people do not see."""
    if source.honeypot is None:
        return False
    trap = fold_configured(source.honeypot)
    return any(text.strip() and fold(label) == trap for label, text in submission.answers.items())


def with_defaults(values: dict[str, Any], source: Source) -> dict[str, Any]:
    """The sections with the source's defaults where the form left a field empty."""
    filled = {name: dict(section) if isinstance(section, dict) else section for name, section in values.items()}
    for path, default in source.defaults.items():
        name, _, field = path.partition(".")
        section = filled.setdefault(name, {})
        if isinstance(section, dict) and section.get(field) in (None, ""):
            section[field] = default
    return filled
