"""Whether the forms are connected: what each configured source has posted, and which of its fields arrive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Literal, TypedDict

from leadbridge.api.problems import FieldErrorView, field_error_view
from leadbridge.api.schemas import Count, DayText, Time
from leadbridge.domain.clock import to_text
from leadbridge.domain.statistics.contribution import INCOMPLETE, LEADS, MAIN, is_counted_source
from leadbridge.settings import Source
from leadbridge.storage.statistics.counters import CounterReader
from leadbridge.storage.statistics.form_fields import SECTIONS, TAGS, FormFieldBook, FormFields
from leadbridge.storage.statistics.posts import (
    HONEYPOT,
    IGNORED,
    PARTITION,
    REPEATED,
    TEST,
    PostsOfDay,
    posts_by_cell,
)
from leadbridge.storage.table import Table


class SourceDayView(TypedDict):
    """The posts of a source on a day. `incomplete` are those of the accepted leads that still are.

    `honeypot` are posts that filled in the hidden field. `refused` are by reason, the last part of a problem's `type`.
    """

    day: DayText
    accepted: Count
    incomplete: Count
    repeated: Count
    tests: Count
    ignored: Count
    honeypot: Count
    refused: dict[str, Count]


class InvalidLeadView(TypedDict):
    """The last lead that was refused because of its fields. `unused` are names of form fields that nothing uses."""

    at: Time
    errors: list[FieldErrorView]
    unused: list[str]


class FormFieldView(TypedDict):
    """A configured field of the form. `arrives` is null if there was no lead in the period."""

    name: str
    field: str
    last_seen: DayText | None
    arrives: bool | None


class UnusedFieldView(TypedDict):
    """A field of the form that the configuration does not use. Digits that could be a person's are `#`."""

    name: str
    last_seen: DayText


class SourceView(TypedDict):
    """A configured source. The times are the last ones of the period, null if there is none."""

    source: str
    adapter: str
    path: str
    partners: list[str]
    on_invalid: Literal["keep", "refuse"]
    last_post_at: Time | None
    last_accepted_at: Time | None
    last_refused_at: Time | None
    last_refused_as: str | None
    last_invalid: InvalidLeadView | None
    days: list[SourceDayView]
    fields: list[FormFieldView]
    unused: list[UnusedFieldView]


def source_views(table: Table, sources: Mapping[str, Source], first: date, last: date) -> list[SourceView]:
    """Return the configured sources with what they posted on some days. Raises TooManyCounters, Contended."""
    reader = CounterReader(table, first, last)
    counts, posts = reader.counts(), posts_by_cell(reader.items(PARTITION))
    fields = FormFieldBook(table).all()
    days: dict[str, list[SourceDayView]] = defaultdict(list)
    for day, source in sorted({(day, source) for day, source, _ in counts} | posts.keys()):
        found: Mapping[str, int] = counts.get((day, source, MAIN), {})
        of_day = posts.get((day, source), PostsOfDay({}, ""))
        days[source].append(_day_view(day, found, of_day))
    return [
        _source_view(
            name,
            source,
            reader.last.get(name, 0),
            [posts[day, other] for day, other in sorted(posts) if other == name],
            days[name],
            fields.get(name, FormFields()),
            first,
        )
        for name, source in sources.items()
        if is_counted_source(name)
    ]


def _day_view(day: str, counts: Mapping[str, int], posts: PostsOfDay) -> SourceDayView:
    return {
        "day": day,
        "accepted": max(counts.get(LEADS, 0), 0),
        "incomplete": max(counts.get(INCOMPLETE, 0), 0),
        "repeated": posts.counts.get(REPEATED, 0),
        "tests": posts.counts.get(TEST, 0),
        "ignored": posts.counts.get(IGNORED, 0),
        "honeypot": posts.counts.get(HONEYPOT, 0),
        "refused": posts.refused,
    }


def _source_view(
    name: str,
    source: Source,
    accepted: int,
    posts: Sequence[PostsOfDay],
    days: list[SourceDayView],
    fields: FormFields,
    first: date,
) -> SourceView:
    accepted_at = to_text(datetime.fromtimestamp(accepted, UTC)) if accepted else None
    since = first.isoformat()
    refused = next((one for one in reversed(posts) if one.refused_at), None)
    has_leads = any(one["accepted"] for one in days)
    return {
        "source": name,
        "adapter": source.adapter,
        "path": f"/webhooks/{name}",
        "partners": list(dict.fromkeys(one for rule in source.partners for one in rule.partners)),
        "on_invalid": "refuse" if source.refuses_invalid else "keep",
        "last_post_at": max(filter(None, (accepted_at, posts[-1].last_at if posts else None)), default=None),
        "last_accepted_at": accepted_at,
        "last_refused_at": refused.refused_at if refused else None,
        "last_refused_as": refused.refused_as if refused else None,
        "last_invalid": _last_invalid(posts),
        "days": days,
        "fields": [
            {
                "name": label,
                "field": path,
                "last_seen": fields.seen.get(path),
                "arrives": fields.seen.get(path, "") >= since if has_leads else None,
            }
            for label, path in source.fields.items()
            if path.partition(".")[0] in SECTIONS or path.removeprefix("utm.") in TAGS
        ],
        "unused": [
            {"name": label, "last_seen": day}
            for label, day in sorted(fields.unused.items(), key=lambda one: (one[1], one[0]), reverse=True)
            if day >= since
        ],
    }


def _last_invalid(posts: Sequence[PostsOfDay]) -> InvalidLeadView | None:
    """Return the last refused lead of a source's posts, by day."""
    newest = next((one for one in reversed(posts) if one.invalid_at), None)
    if newest is None or newest.invalid_at is None:
        return None
    return {
        "at": newest.invalid_at,
        "errors": [field_error_view(error) for error in newest.invalid.errors],
        "unused": list(newest.invalid.unused),
    }
