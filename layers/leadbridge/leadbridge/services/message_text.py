"""The content of messages, from `config/messages.toml`, and the end of the quiet hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message
from leadbridge.domain.recipient import Content
from leadbridge.settings.messages import (
    PLACEHOLDER,
    VARIABLES,
    MessageSettings,
    Notification,
    OperatorTemplate,
    QuietHours,
)

NO_BREAK_SPACE = "\u00a0"
MIN_GROUPED = 10_000  # four digits are read without a space


def render_message(
    message: Message, settings: MessageSettings, lead: Lead | None, delivery: Delivery | None, locale: str | None
) -> Content | None:
    """Return the content of a message in the person's language; None if no notification is configured.

    `locale` is the person's language in the messenger, such as `uk` or `en_US`.
    """
    if message.template_id is not None:
        return Content(template_id=message.template_id, variables=message.variables or None)
    if message.text is not None:
        return Content(text=fill_placeholders(message.text, message.variables))
    if message.is_crm_note:
        values = _values(message.partner_status, lead, delivery)
        tags = tuple(tag for wording in settings.crm_note.tags if (tag := fill_placeholders(wording, values).strip()))
        return Content(tags=tags, comment=fill_placeholders(settings.crm_note.comment, values) or None)
    if message.partner is None or message.partner_status is None or message.partner not in settings.notifications:
        return None
    entry = settings.notifications[message.partner].about(message.partner_status)
    if not entry.on:
        return None
    return _content(entry, _values(message.partner_status, lead, delivery), settings, locale)


def render_template(
    template: OperatorTemplate, settings: MessageSettings, lead: Lead, delivery: Delivery | None, locale: str | None
) -> Content:
    """Return the content of an operator's template in the person's language. `delivery` is the one it is about."""
    status = delivery.partner_status if delivery else None
    return _content(template, _values(status, lead, delivery), settings, locale)


def _content(entry: Notification, values: dict[str, str], settings: MessageSettings, locale: str | None) -> Content:
    if entry.template_id:
        variables = {name: fill_placeholders(text, values) for name, text in entry.variables.items()}
        return Content(template_id=entry.template_id, variables=variables or None)
    return Content(text=fill_placeholders(_in_language(entry.text, locale, settings.language), values))


def fill_placeholders(text: str, values: dict[str, str]) -> str:
    """Replace each `{name}` by its value. Unknown names stay as they are."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def find_quiet_end(quiet: QuietHours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the end of the current quiet hours in the person's time zone; None outside of them."""
    if not quiet.on or quiet.from_ == quiet.to:
        return None
    local = now.astimezone(zone)
    clock = local.time()
    over_midnight = quiet.from_ > quiet.to
    since, before = clock >= quiet.from_, clock < quiet.to
    holds = (since or before) if over_midnight else (since and before)
    if not holds:
        return None
    day = local.date() if clock < quiet.to else local.date() + timedelta(days=1)
    ends = datetime.combine(day, quiet.to.replace(fold=0), zone).astimezone(now.tzinfo)
    # At the end of daylight saving time an hour occurs twice: the quiet hours end at its second occurrence.
    return ends if ends > now else datetime.combine(day, quiet.to.replace(fold=1), zone).astimezone(now.tzinfo)


def _in_language(texts: dict[str, str], locale: str | None, default: str) -> str:
    own = (locale or "").replace("-", "_").partition("_")[0].lower()
    return texts.get(own) or texts.get(default) or next(iter(texts.values()))


def _values(status: str | None, lead: Lead | None, delivery: Delivery | None) -> dict[str, str]:
    found = {
        "status": status,
        "full_name": lead.person.full_name if lead else None,
        "amount": _format_amount(lead.loan.amount) if lead and lead.loan.amount is not None else None,
        "term": lead.loan.term if lead else None,
        "deal_id": delivery.deal_id if delivery else None,
        "source": lead.source if lead else None,
        **{name: lead.utm.get(name) if lead else None for name in VARIABLES if name.startswith("utm_")},
    }
    return {name: "" if value is None else str(value) for name, value in found.items()}


def _format_amount(amount: Decimal) -> str:
    """Format an amount as banks print it, such as `6000`, `48 000` and `48 000,50`, with no-break spaces."""
    text = f"{amount:,.2f}" if amount >= MIN_GROUPED else f"{amount:.2f}"
    return text.removesuffix(".00").replace(",", NO_BREAK_SPACE).replace(".", ",")
