"""Mask phones, tax numbers and e-mail addresses of a lead's person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from leadbridge.domain.acceptance.ids import VISIT_IDS

MASK = "•••"  # of constant length, so that the length is hidden too
IDENTIFYING_FIELDS = frozenset(
    {"ip", "user_agent", "page_url"}
)  # fields of a consent that identify a device or a visit


def masked_person(person: dict[str, Any]) -> dict[str, Any]:
    """Mask a person. The name is not masked, so that operators can distinguish leads."""
    return {name: MASKS[name](value) if name in MASKS else value for name, value in person.items()}


def masked_consent(consent: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields that identify a device or a visit."""
    return {name: value for name, value in consent.items() if name not in IDENTIFYING_FIELDS}


def masked_ids(ids: Mapping[str, str]) -> dict[str, str]:
    """Mask the ids that identify a visit. Those of campaigns and placements stay."""
    return {name: MASK if name in VISIT_IDS else value for name, value in ids.items()}


def masked_answers(answers: Mapping[str, str]) -> dict[str, str]:
    """Mask all answers of a form: each may contain anything about the person."""
    return dict.fromkeys(answers, MASK)


def _masked_phone(phone: str) -> str:
    """Keep the codes of country and operator, and the last two digits: +38050•••01."""
    return f"{phone[:6]}{MASK}{phone[-2:]}" if len(phone) > 10 else f"{phone[:2]}{MASK}"


def _masked_number(number: str) -> str:
    """Keep the last two digits; the first ones of a tax number are a date of birth."""
    return f"{MASK}{number[-2:]}" if len(number) > 6 else MASK


def _masked_email(email: str) -> str:
    """Keep the first character and the domain."""
    name, at, domain = email.rpartition("@")
    return f"{name[:1]}{MASK}{at}{domain}" if at else MASK


MASKS: dict[str, Callable[[str], str]] = {
    "phone": _masked_phone,
    "tax_number": _masked_number,
    "email": _masked_email,
}
