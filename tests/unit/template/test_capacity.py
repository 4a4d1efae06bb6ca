"""docs/capacity.md: the figures are current, and the shipped configuration carries what is promised."""

from __future__ import annotations

import re

import pytest

from quality.benchmarks import hot_keys, load_limits, shipped
from quality.benchmarks.load_limits import Limit
from quality.benchmarks.report import updated


def test_the_page_has_the_figures_that_the_script_prints() -> None:
    current = updated(load_limits.PAGE, load_limits.tables()) == load_limits.PAGE.read_text(encoding="utf-8")
    assert current, "run python -m quality.benchmarks.load_limits --write"


@pytest.mark.parametrize("name", sorted(shipped.settings().partners))
def test_each_partner_carries_50_000_leads_a_day(name: str) -> None:
    """With every deal open for 14 days, and a partner that answers in 0.4 s."""
    limits = [limit for limit in load_limits.own_limits() if f"`{name}`" in limit.what]
    assert limits
    assert {limit.what for limit in limits if limit.carries * load_limits.DAY < 50_000} == set()


def test_no_stored_key_rate_exceeds_the_limit_of_a_key() -> None:
    assert max(hot_keys.STORED.values()) <= hot_keys.MAX_UNITS == load_limits.QUOTAS["key"]["value"]


def test_every_quota_is_used_and_says_where_it_is_from() -> None:
    used = {limit.what for limit in load_limits.aws_limits()}
    assert used == {quota["what"] for quota in load_limits.QUOTAS.values()}
    for quota in load_limits.QUOTAS.values():
        assert re.match(r"(docs\.aws|aws)\.amazon\.com/", quota["source"])
        assert re.fullmatch(r"2\d{3}-\d\d-\d\d|", quota["checked"])


def test_a_limit_says_what_each_rate_needs() -> None:
    assert load_limits.needed(Limit("calls", 100, 2, "ask")) == ["·", "·", "**200**", "**2,000**"]
    assert load_limits.rounded(1234) == "1,200"
    assert load_limits.rounded(1234, up=True) == "1,300"
    assert load_limits.rounded(0.5, up=True) == "1"
