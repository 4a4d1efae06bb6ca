"""Which fields of a form nothing uses: reported with few leads, so that the others cost nothing.

A lead that is stored carries the names to `update_stats`. A worker reports a name once a day, and compares the names of
a post with the configuration only if the post has other names than the source's last one.
"""

from __future__ import annotations

from datetime import datetime

from leadbridge.domain.acceptance.field_names import safe_names
from leadbridge.forms.base import Submission
from leadbridge.forms.mapping import find_unused_names
from leadbridge.settings import Source

MAX_REPORTED = 30  # names of a source that a worker reports on one day
MAX_REMEMBERED = 100  # names of a post; one with more is compared each time


class UnusedFields:
    """What a worker has reported of each configured source today."""

    def __init__(self) -> None:
        self._reported: dict[str, tuple[str, set[str]]] = {}
        self._reported_posts: dict[str, tuple[str, tuple[str, ...]]] = {}

    def unreported(self, name: str, source: Source, submission: Submission, now: datetime) -> tuple[str, ...]:
        """Return the names of a source's post to report with its lead."""
        if not source.fields:
            return ()  # the body has the names of the lead fields
        day = now.date().isoformat()
        if self._reported_posts.get(name) == (day, tuple(submission.answers)):
            return ()
        since, reported = self._reported.get(name, ("", set()))
        known = reported if since == day else set()
        new = [one for one in safe_names(find_unused_names(submission, source)) if one not in known]
        return tuple(new[: MAX_REPORTED - len(known)])

    def reported(
        self, name: str, source: Source, submission: Submission, names: tuple[str, ...], now: datetime
    ) -> None:
        """Remember what was reported with a stored lead."""
        if not source.fields:
            return
        day = now.date().isoformat()
        since, reported = self._reported.get(name, ("", set()))
        if since != day:
            reported = set()
        reported.update(names)
        self._reported[name] = (day, reported)
        if len(submission.answers) <= MAX_REMEMBERED:
            self._reported_posts[name] = (day, tuple(submission.answers))
