"""The daily digest: the figures of the last whole day, and what needs a person. No personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from leadbridge.domain.alerts.alarm import Notice
from leadbridge.domain.routing.intake import Window, windows_at
from leadbridge.domain.statistics.times import Stage
from leadbridge.services.alerts.send_alert import digest_id
from leadbridge.services.alerts.words import LANGUAGES, Words

if TYPE_CHECKING:
    from leadbridge.settings import Partner
    from leadbridge.settings.alerts import AlertSettings
    from leadbridge.storage.statistics.daily_stats import StatsCounts

WEEK = 7  # days, up to the day of the digest
DUE_FOR = timedelta(hours=2)  # after its time a digest is sent; later ones are skipped
MAX_SOURCES = 20  # that are named; those with most leads


@dataclass(frozen=True)
class DigestFigures:
    """Counts of the day and the week; what needs a person, as texts by status; dead letters; full caps; pauses."""

    day: StatsCounts
    week: StatsCounts
    waiting: Mapping[str, str]
    dead_letters: Mapping[str, int]
    full_caps: Sequence[str]
    paused: Sequence[str]


def due_digest(settings: AlertSettings, now: datetime) -> date | None:
    """Return the day whose digest is due now; None if none is.

    It is the day before that of the latest time of a digest, today's or yesterday's, in the configured time zone.
    """
    if not settings.digest.on:
        return None
    zone = ZoneInfo(settings.time_zone)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        at = datetime.combine(day, settings.digest.at, zone).astimezone(UTC)
        if at <= now:
            return day - timedelta(days=1) if now - at < DUE_FOR else None
    return None


def digest_notice(day: date, figures: DigestFigures, settings: AlertSettings, stack: str) -> Notice:
    """Return the digest of a day in the configured language."""
    words = LANGUAGES[settings.language]
    lines = [
        f"📊 {words.digest.format(stack=stack, day=f'{day:%d.%m.%Y}', zone=settings.time_zone)}",
        _leads_line(words, figures.day),
        words.figures.format(**_funnel(figures.day), incomplete=figures.day.incomplete.total()),
        words.week.format(leads=figures.week.leads.total(), **_funnel(figures.week)),
        _attention_line(words, figures),
    ]
    if figures.full_caps:
        lines.append(words.caps.format(items=", ".join(figures.full_caps)))
    if figures.paused:
        lines.append(words.paused.format(items=", ".join(figures.paused)))
    return Notice(digest_id(day), "\n".join(lines), f"{stack}: daily digest {day.isoformat()}")


def cap_windows(partners: Mapping[str, Partner], day: date, time_zone: str) -> dict[str, dict[str, Window]]:
    """Return the windows of all caps on a day, by partner and key: its hours, the partner's day, and all time."""
    zone = ZoneInfo(time_zone)
    begin, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    hours = [begin + timedelta(hours=hour) for hour in range(round((end - begin) / timedelta(hours=1)))]
    found: dict[str, dict[str, Window]] = {}
    for name, partner in partners.items():
        windows = [window for hour in hours for window in windows_at(partner, hour)]
        chosen = {one.key: one for one in windows if one.cap != "per_day" or one.key == day.isoformat()}
        if chosen:
            found[name] = chosen
    return found


def waiting_texts(counts: Mapping[str, int], most: int) -> dict[str, str]:
    """Return what needs a person by state, of which `most` are counted at most: then the number is `1000+`."""
    return {name: f"{number}+" if number >= most else str(number) for name, number in counts.items()}


def full_caps(windows: Mapping[str, Mapping[str, Window]], counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the caps that were reached, such as `lender per_day 100`; hours with their number."""
    found = []
    for partner, of_partner in windows.items():
        full = [window for window in of_partner.values() if window.is_full(counts.get(partner, {}))]
        for (cap, limit), times in sorted(Counter((window.cap, window.limit) for window in full).items()):
            found.append(f"{partner} {cap} {limit}" + (f" ×{times}" if times > 1 else ""))
    return found


def _leads_line(words: Words, figures: StatsCounts) -> str:
    sources = Counter[str]()
    for (_, source), number in figures.leads.items():
        sources[source] += number
    total = words.leads.format(count=sources.total())
    named = sorted(sources.items(), key=lambda one: (-one[1], one[0]))
    shown = [f"{source} {number}" for source, number in named[:MAX_SOURCES]]
    if len(named) > MAX_SOURCES:
        shown.append(words.and_more.format(count=len(named) - MAX_SOURCES))
    return f"{total} — {', '.join(shown)}" if shown else total


def _funnel(figures: StatsCounts) -> dict[str, Any]:
    """Return how many leads have reached each stage of the funnel."""
    reached = Counter[Stage]()
    for (_, partner, stage, _), number in figures.times.items():
        if not partner:  # the lead itself; the others are its deliveries
            reached[stage] += number
    return {stage.value: reached[stage] for stage in Stage}


def _attention_line(words: Words, figures: DigestFigures) -> str:
    dead_letters = sum(figures.dead_letters.values())
    if set(figures.waiting.values()) == {"0"} and not dead_letters:
        return words.nothing_waits
    return words.needs_person.format(items=words.attention.format(**figures.waiting, dead_letters=dead_letters))
