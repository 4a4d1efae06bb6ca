"""Chaos notices what is wrong: the product is broken on purpose, and soon the books do not balance."""

from datetime import timedelta
from typing import Any

import pytest

from chaos.in_process.run import run
from leadbridge import errors
from leadbridge.leads import store, writing
from leadbridge.leads.delivery import Delivery
from leadbridge.leads.submission import Submitter, Visit


def noticed(check: str, *first: int) -> bool:
    """Whether a check tells of it within some seeds; those that did when this was written come first."""
    seeds = (*first, *range(1000, 1020))
    return any(check in {violation.check for violation in run(seed, leads=4).violations} for seed in seeds)


def test_workers_that_do_not_ask_whether_somebody_was_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    put = writing.put

    def reckless(table: str, item: Any, condition: str | None = None, *, version: int | None = None) -> Any:
        return put(table, item, condition)

    monkeypatch.setattr(store, "put", reckless)
    assert noticed("timelines_have_no_gaps", 8)


def test_workers_that_send_again_when_an_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def hopeful(
        submitter: Submitter, delivery: Delivery, text: str, _: timedelta, error: errors.PartnerError | None = None
    ) -> Visit:
        return submitter._come_again(delivery, error or errors.Unavailable(delivery.partner, "create", text))

    monkeypatch.setattr(Submitter, "_reply_lost", hopeful)
    assert noticed("no_lead_is_created_twice", 2)
