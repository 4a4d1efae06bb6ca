"""GET /partners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from leadbridge.api.requests import ApiRequest
from leadbridge.api.router import route
from leadbridge.api.schemas import Count
from leadbridge.domain.clock import from_text, utc_now
from leadbridge.partners.registry import kind_named
from leadbridge.settings import Partner, settings

if TYPE_CHECKING:
    from datetime import datetime


class PartnerView(TypedDict):
    """A configured partner. `label` is displayed; `id_field` is the delivery's field with the partner's id.

    `checks` is None for a partner whose statuses come by the sync.
    """

    name: str
    kind: str
    label: str
    queue: str
    id_field: Literal["deal_id", "account_uuid"]
    id_type: Literal["integer", "string"]
    id_pattern: str
    checks: ChecksView | None


class ChecksView(TypedDict):
    """The status checks of a partner's deals: by how many seconds the latest is late, and how many run at a time."""

    oldest_due_seconds: Count
    at_once: Count


class PartnersView(TypedDict):
    """The partners, in the order of the configuration."""

    partners: list[PartnerView]


@route("GET", "/partners")
def list_partners(request: ApiRequest) -> PartnersView:
    """List the configured partners."""
    now = utc_now()
    return {
        "partners": [
            partner_view(name, partner, checks_view(request, name, partner, now))
            for name, partner in settings().partners.items()
        ]
    }


def checks_view(request: ApiRequest, name: str, partner: Partner, now: datetime) -> ChecksView | None:
    """Return how the status checks of a partner keep up; None if its statuses come by the sync."""
    from leadbridge.services.checks.plan import INDEX_MARGIN, oldest_due_seconds
    from leadbridge.storage.queries.check_progress import CheckProgressRepository

    if partner.check_schedule is None:
        return None
    progress = CheckProgressRepository(request.resources.table, name).load()
    late = oldest_due_seconds(partner.check_schedule, progress.watermarks, now, INDEX_MARGIN)
    for due in request.resources.leads.due(name, now, 1):
        late = max(late, (now - from_text(due.due_at)).total_seconds())
    return {"oldest_due_seconds": int(late), "at_once": partner.checks_at_once}


def partner_view(name: str, partner: Partner, checks: ChecksView | None) -> PartnerView:
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
        "checks": checks,
    }
