"""The configured partners, as the console and the command show them."""

from __future__ import annotations

from typing import Any

from leadbridge.api.problems import Response, answer
from leadbridge.partners.registry import kind_named
from leadbridge.settings import Partner, settings


def list_partners(_: dict[str, Any]) -> Response:
    """GET /partners"""
    return answer(200, {"partners": [partner_shown(name, one) for name, one in settings().partners.items()]})


def partner_shown(name: str, partner: Partner) -> dict[str, Any]:
    """A partner: its kind, its name for people, its queue, and how it identifies what it made of a lead."""
    kind = kind_named(partner.kind)
    return {
        "name": name,
        "kind": kind.name,
        "label": kind.label,
        "queue": kind.queue,
        "id_field": kind.id.field,
        "id_type": kind.id.type,
        "id_pattern": kind.id.pattern,
    }
