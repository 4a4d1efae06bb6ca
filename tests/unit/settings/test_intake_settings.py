"""A wrong section `[….intake]`: the error says what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from quality.testkit.configuration import GOOD, TABLES
from tools.config import WrongConfiguration, check

SECOND = GOOD[1].replace("[lender]", "[second]")


def said(tmp_path: Path, intake: str, routes: str = '["lender"]', zone: str = 'time_zone = "Europe/Kyiv"') -> list[str]:
    sources = GOOD[0].replace('["lender"]', routes)
    partners = GOOD[1].replace("[lender]", f"[lender]\n{zone}\nintake = {{ {intake} }}")
    partners += SECOND if "second" in routes else SECOND.replace("[second]", "[second]\nby_hand = true")
    messages = f"{GOOD[2]}[notifications.second.default]\non = false\n"
    for name, text in zip(TABLES, (sources, partners, messages, GOOD[3]), strict=True):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    try:
        check(tmp_path)
    except WrongConfiguration as wrong:
        return wrong.problems
    return []


@pytest.mark.parametrize(
    "intake",
    [
        "per_hour = 5, per_day = 5, total = 100",
        'hours = ["mon-fri 09:00-18:00", "sat 10:00-14:00"], holidays = ["2026-12-25"], when_closed = "hold"',
        'holidays = [2026-12-25], per_day = 3, when_capped = "wait"',
    ],
)
def test_caps_and_hours_are_valid(tmp_path: Path, intake: str) -> None:
    assert said(tmp_path, intake) == []


@pytest.mark.parametrize(
    ("intake", "text"),
    [
        ("per_day = -1", "'intake per_day' must be greater than or equal to 1"),
        ("per_day = 0", "'intake per_day' must be greater than or equal to 1"),
        ("per_day = 1.5", "'intake per_day' must be a valid integer"),
        ("per_days = 5", "there is no setting 'per_days'; did you mean 'per_day'?"),
        ("", "'intake': give per_hour, per_day, total, hours or holidays, or remove the section"),
        ("per_hour = 6, per_day = 5", "per_hour is more than per_day, so it limits nothing: lower or remove it"),
        ("per_hour = 6, total = 5", "per_hour is more than total, so it limits nothing"),
        ('hours = ["noon"]', 'opening hours look like "mon-fri 09:00-18:00"'),
        ('hours = ["mon-fri 09:00-18:00", "mon 12:00-13:00"]', "two periods of mon overlap"),
        ('holidays = ["2026-12-25", "2026-12-25"]', "holidays has a date twice: remove one of the two"),
        ('per_day = 5, when_capped = "skip"', "'intake when_capped' must be 'next', 'wait' or 'hold'"),
        ('per_day = 5, when_closed = "hold"', "when_closed needs hours or holidays: add them, or remove it"),
        ('holidays = [2026-12-25], when_capped = "hold"', "when_capped needs per_hour, per_day or total"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, intake: str, text: str) -> None:
    assert any(text in one for one in said(tmp_path, intake)), said(tmp_path, intake)


@pytest.mark.parametrize(
    ("intake", "name"),
    [("per_day = 5", "per_day"), ('hours = ["mon 09:00-18:00"]', "hours"), ("holidays = [2026-12-25]", "holidays")],
)
def test_local_times_need_a_time_zone(tmp_path: Path, intake: str, name: str) -> None:
    assert any(f"intake: {name} needs the partner's time_zone" in one for one in said(tmp_path, intake, zone=""))
    assert said(tmp_path, "per_hour = 5", zone="") == []


NEXT = 'per_day = 5, when_capped = "next"'


@pytest.mark.parametrize(
    "routes",
    [
        '["lender"]',
        '[{ to = ["lender", "second"] }]',
        '[{ to = ["second", "lender"], next_on = ["rejected"] }]',
    ],
)
def test_a_lead_for_the_next_partner_needs_a_rule_that_has_one(tmp_path: Path, routes: str) -> None:
    (text,) = said(tmp_path, NEXT, routes)
    assert "partner lender: when_capped = \"next\", but no rule in sources.toml has a partner after 'lender'" in text
    assert text.endswith('in next_on: add both to a rule, or write "wait" or "hold"')


@pytest.mark.parametrize(
    "routes",
    [
        '[{ to = ["lender", "second"], next_on = ["capped"] }]',
        '[{ to = [{ partner = "second", weight = 1 }, { partner = "lender", weight = 1 }], next_on = ["capped"] }]',
    ],
)
def test_a_rule_that_opens_the_next_partner(tmp_path: Path, routes: str) -> None:
    assert said(tmp_path, NEXT, routes) == []


def test_a_rule_that_can_never_open_the_next_partner_is_refused(tmp_path: Path) -> None:
    (text,) = said(tmp_path, "per_day = 5", '[{ to = ["lender", "second"], next_on = ["rejected", "capped"] }]')
    assert 'source web: next_on has "capped", but no partner of the rule passes leads on then' in text
