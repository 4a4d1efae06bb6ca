"""GET /partners."""

from __future__ import annotations

from typing import Literal, TypedDict

from leadbridge.api.requests import ApiRequest
from leadbridge.api.router import route
from leadbridge.partners.registry import kind_named
from leadbridge.settings import Partner, settings


class PartnerView(TypedDict):
    """A configured partner. `label` is displayed; `id_field` is the delivery's field with the partner's id."""

    name: str
    kind: str
    label: str
    queue: str
    id_field: Literal["deal_id", "account_uuid"]
    id_type: Literal["integer", "string"]
    id_pattern: str


class PartnersView(TypedDict):
    """The partners, in the order of the configuration."""

    partners: list[PartnerView]


@route("GET", "/partners")
def list_partners(_: ApiRequest) -> PartnersView:
    """List the configured partners."""
    return {"partners": [partner_view(name, partner) for name, partner in settings().partners.items()]}


def partner_view(name: str, partner: Partner) -> PartnerView:
    """Return a partner with the properties of its kind."""
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
