"""GET /sync."""

from __future__ import annotations

from typing import Annotated, TypedDict

from pydantic import Field

from leadbridge.api.requests import ApiRequest
from leadbridge.api.router import route
from leadbridge.api.schemas import Time
from leadbridge.domain.accounts.scan import ScanState
from leadbridge.domain.clock import to_text
from leadbridge.settings import settings


class ProgressView(TypedDict):
    """The progress of a scan, in percent."""

    progress: Annotated[int, Field(ge=0, le=100)]


class SyncView(TypedDict):
    """The progress of a partner's sync. All changes before `watermark` were read. `scans` are in progress."""

    watermark: Time
    full_scan_started_at: Time | None
    full_scan_finished_at: Time | None
    scans: dict[str, ProgressView]


class SyncsView(TypedDict):
    """By partner; null if the sync never ran."""

    partners: dict[str, SyncView | None]


@route("GET", "/sync")
def show_sync(request: ApiRequest) -> SyncsView:
    """Show the progress of the partners' account syncs."""
    synced = [name for name, partner in settings().partners.items() if partner.sync is not None]
    states = {name: request.resources.scan_state(name) for name in synced}
    return {"partners": {name: None if state is None else sync_view(state) for name, state in states.items()}}


def sync_view(state: ScanState) -> SyncView:
    """Return the progress of a sync."""
    return {
        "watermark": to_text(state.watermark),
        "full_scan_started_at": to_text(state.full_scan_started_at) if state.full_scan_started_at else None,
        "full_scan_finished_at": to_text(state.full_scan_finished_at) if state.full_scan_finished_at else None,
        "scans": {kind.value: {"progress": round(100 * each.progress)} for kind, each in state.active_scans.items()},
    }
