"""The evidence of a person's consent: when, in which form, on which page, to which text, from which device.

The values come from the form. A wrong value is dropped and a long one is cut; a lead is never refused because of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from leadbridge.domain.clock import to_text
from leadbridge.domain.fields import truncate_text


def _cut(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: truncate_text(value, limit))


def _moment(value: object) -> str | None:
    """Return a time in RFC 3339 and UTC if it has an offset, else as the form wrote it."""
    text = truncate_text(value, 64)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.isoformat()
        return to_text(moment)
    except (ValueError, OverflowError):
        return text


def _address(value: object) -> str | None:
    """Return an IP address; None for any other value."""
    from ipaddress import ip_address

    try:
        return str(ip_address(truncate_text(value, 64) or ""))
    except ValueError:
        return None


class Consent(BaseModel):
    """The evidence. A field is None if the form did not send it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)

    given_at: Annotated[str | None, BeforeValidator(_moment)] = None
    form: Annotated[str | None, _cut(255)] = None
    page_url: Annotated[str | None, _cut(2048)] = None
    text: Annotated[str | None, _cut(4096)] = None
    ip: Annotated[str | None, BeforeValidator(_address)] = None
    user_agent: Annotated[str | None, _cut(512)] = None


def consent_of(value: object) -> Any:
    """Return the section `consent` of a post, or an empty one."""
    return value if isinstance(value, dict | Consent) else {}
