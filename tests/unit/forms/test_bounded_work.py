"""Whatever is posted: the work grows no faster than the post, and what is made of it is not longer than a few posts."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from math import inf

import pytest

from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.routing.rules import RoutingFacts, choose_partners
from leadbridge.forms.base import MAX_BYTES, Submission, Unreadable, adapter_named, max_bytes_of
from leadbridge.forms.mapping import fills_honeypot, find_unmapped_names, fold_configured, with_defaults
from leadbridge.forms.parsing import charsets
from leadbridge.forms.parsing.canonical import content_hash
from leadbridge.settings import Source
from quality.testkit.forms.hostile import FORM, Build, cases, request
from quality.testkit.forms.receiver import configured
from quality.testkit.template import ROOT

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SETTINGS = configured()
TIMES = 4  # by which the longer post is longer
NOISE = 0.05  # seconds of CPU that say nothing
TRIES = 3  # of which the least counts
SLOWEST = 1.0  # seconds of CPU that the longest post may cost on a developer's machine
FOLDED = 4  # posts that are as long as what an adapter makes of one

CASES = [
    pytest.param(adapter, kind, builds, id=f"{adapter}, {kind.partition(';')[0]}: {place}")
    for adapter, kind, place, builds in cases()
]


@cache
def source_of(adapter: str) -> Source:
    """The shipped source of an adapter, with a honeypot, a box and a condition on a field of the form."""
    (found, *_) = [one for one in SETTINGS.sources.values() if one.adapter == adapter]
    condition = {"to": ["leadleader"], "when": {"form.city": {"equals": "Київ", "one_of": ["Львів"]}}}
    return Source.model_validate(
        found.model_dump(exclude_unset=True, exclude={"fetch"})
        | {"partners": [condition, "matchtrade"], "honeypot": "website"}
        | {"fields": {**found.fields, "acceptance": "consent.text"}}
    )


def taken(adapter: str, content_type: str, body: bytes) -> tuple[Submission, ...]:
    """All that a post goes through before it is stored."""
    source = source_of(adapter)
    try:
        submissions = adapter_named(adapter).parse(request(content_type, body), source)
    except Unreadable:
        return ()
    for submission in submissions[:20]:
        answers = submission.answers
        fills_honeypot(submission, source)
        content_hash("a key", "a-source", answers if submission.content is None else submission.content)
        build_lead(
            with_defaults(submission.values, source),
            lead_id="ld_1",
            source="a-source",
            received_at=NOW,
            partners=SETTINGS.partners,
            choose=lambda asked, answers=answers: choose_partners(source, RoutingFacts(asked.value, answers, NOW)),  # type: ignore[misc]
            answers=submission.answers,
            unmapped=find_unmapped_names(submission, source),
        )
    return submissions


def cost(work: Callable[[], object]) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.parametrize(("adapter", "content_type", "builds"), CASES)
def test_four_times_the_post_costs_less_than_eight_times_the_work(
    adapter: str, content_type: str, builds: dict[str, Build]
) -> None:
    longest = max_bytes_of(adapter_named(adapter))
    for build in builds.values():
        short, long = build(longest // TIMES), build(longest)
        taken(adapter, content_type, build(1000))  # what is read and made once
        cost_of_long = min_cost_of_short = inf
        for _ in range(TRIES):
            cost_of_long = min(cost_of_long, cost(lambda post=long: taken(adapter, content_type, post)))  # type: ignore[misc]
            if cost_of_long <= NOISE:
                break
            cost_of_short = cost(lambda post=short: taken(adapter, content_type, post))  # type: ignore[misc]
            min_cost_of_short = min(min_cost_of_short, cost_of_short)
            if cost_of_long < min(SLOWEST, 2 * TIMES * min_cost_of_short + NOISE):
                break
        else:
            pytest.fail(f"{cost_of_long:.3f} s for the long post, {min_cost_of_short:.3f} s for the short one")


@pytest.mark.parametrize(("adapter", "content_type", "builds"), CASES)
def test_what_is_made_of_a_post_is_not_longer_than_a_few_posts(
    adapter: str, content_type: str, builds: dict[str, Build]
) -> None:
    body = next(iter(builds.values()))(MAX_BYTES)
    for submission in taken(adapter, content_type, body):
        distinct = {id(text): text for pair in submission.answers.items() for text in pair}
        assert sum(map(len, distinct.values())) <= FOLDED * len(body) + 1_000_000  # 1,000 names of 1,000 characters


def test_nothing_that_strangers_send_stays_in_a_cache() -> None:
    fold_configured.cache_clear()
    for number in range(3):
        taken("plain", FORM, f"label-{number}=answer&your-name=a".encode())
    kept = fold_configured.cache_info().currsize
    taken("plain", FORM, b"another-label=another-answer&your-name=b")
    assert fold_configured.cache_info().currsize == kept

    import encodings

    known = set(encodings._cache)
    for name in ("no-such-charset", "x" * 40, "utf-8-of-mine"):
        assert charsets.known(name) == charsets.UTF_8
    assert set(encodings._cache) == known
    assert "no_such_charset" not in sys.modules


# Functions with arguments whose results are kept, and what the arguments are.
KEPT = {
    "_client": "names of AWS services",
    "_public_key": "a key in the secret",
    "_private_key": "a key in the secret",
    "fold_configured": "labels in the configuration",
    "_all_folded": "labels in the configuration",
    "adapter_named": "adapters in the configuration",
    "checker": "partners in the configuration",
    "submitter": "partners in the configuration",
    "sync": "partners in the configuration",
    "accounts": "partners in the configuration",
    "origin": "sources in the configuration",
    "_week": "hours in the configuration",
    "last_open": "the last moments that a sweep asked for: eight at most",
    "periods": "the last days that a sweep asked for: 64 at most",
}


def test_only_what_is_configured_is_kept_in_a_cache() -> None:
    found = {
        function.name
        for file in [*(ROOT / "layers/leadbridge/leadbridge").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
        if "cache" in (source := file.read_text())
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef)
        and function.args.args
        and any("cache" in ast.unparse(decorator) for decorator in function.decorator_list)
        and "cached_property" not in map(ast.unparse, function.decorator_list)
    }
    assert found == KEPT.keys()


def test_one_module_normalizes_text() -> None:
    folders = [ROOT / "layers/leadbridge/leadbridge", ROOT / "functions"]
    files = [file for folder in folders for file in folder.rglob("*.py") if "import unicodedata" in file.read_text()]
    assert [file.name for file in files] == ["unicode_text.py"]
