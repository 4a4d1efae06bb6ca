"""A row of the broker's list of accounts. A missing or malformed value is None, and does not affect the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from leadbridge.domain import fields

MAX_TEXT = 1024  # characters; a longer value is None


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """One row. `status` and `role` are open sets of the broker's texts.

    A local time without an offset is ambiguous when clocks go back, and does not exist when they go forward. Then
    `created` and `updated` are the earliest possible times, `…_latest` the latest.
    """

    uuid: str | None
    created: datetime | None
    updated: datetime | None
    email: str | None
    name: str | None
    surname: str | None
    phone: str | None
    country: str | None
    role: str | None
    status: str | None
    lead_source: str | None
    created_latest: datetime | None = None
    updated_latest: datetime | None = None

    @classmethod
    def of(cls, row: dict[str, Any], zone: tzinfo = UTC) -> BrokerAccount:
        """Parse a row. The lead's source and status may be in the row or in its `leadInfo`."""
        inner = row.get("leadInfo")
        info = inner if isinstance(inner, dict) else {}
        created, created_latest = moments(row.get("created"), zone)
        updated, updated_latest = moments(row.get("updated"), zone)
        return cls(
            uuid=_text(row.get("uuid")),
            created=created,
            updated=updated,
            created_latest=created_latest,
            updated_latest=updated_latest,
            email=_text(row.get("email")),
            name=_text(row.get("name")),
            surname=_text(row.get("surname")),
            phone=_text(row.get("phone")),
            country=_text(row.get("country")),
            role=_text(row.get("role")),
            status=_text(row.get("leadStatus")) or _text(info.get("leadStatus")),
            lead_source=_text(row.get("leadSource")) or _text(info.get("leadSource")),
        )

    def has_email(self, email: str) -> bool:
        """Return whether the account has this e-mail address, ignoring case."""
        return self.email is not None and self.email.casefold() == email.strip().casefold()

    def __repr__(self) -> str:
        return f"Account(uuid={self.uuid!r}, …)"


def accounts_of(rows: list[Any], zone: tzinfo = UTC) -> list[BrokerAccount]:
    """Parse the rows that are objects."""
    return [BrokerAccount.of(row, zone) for row in rows if isinstance(row, dict)]


def moment(value: object, zone: tzinfo = UTC) -> datetime | None:
    """Parse an ISO time to UTC; the earliest possible time if it is ambiguous (see `moments`)."""
    return moments(value, zone)[0]


def moments(value: object, zone: tzinfo = UTC) -> tuple[datetime | None, datetime | None]:
    """Parse an ISO time. Returns the earliest possible time in UTC, and the latest if they differ.

    A time without an offset is in `zone`; Java's `[Zone]` is ignored.
    """
    if not isinstance(value, str):
        return None, None
    try:
        found = datetime.fromisoformat(value.partition("[")[0].strip())
        if found.tzinfo is not None:
            return found.astimezone(UTC), None
        earliest, latest = sorted(found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        return None, None
    return earliest, None if latest == earliest else latest


def _text(value: object) -> str | None:
    try:
        return fields.text(value, limit=MAX_TEXT)
    except ValueError:
        return None
