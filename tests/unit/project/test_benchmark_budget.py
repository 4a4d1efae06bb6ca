"""The check of what was measured: what breaks the budget fails, what differs from run to run does not."""

import math
import platform
from pathlib import Path

import pytest

from quality.benchmarks import __main__ as bench
from quality.benchmarks import report
from quality.benchmarks.cold import ratio
from quality.benchmarks.compare import __main__ as compare
from quality.benchmarks.growth import INBOX, LISTS, NEXT_PAGE
from quality.benchmarks.leads import CASES, left_by_each
from quality.benchmarks.report import GOOD, Limit, Measurement, Rows, Verdict, check, limits
from quality.testkit.lambda_runtime.scenarios import SCENARIOS
from quality.testkit.template import resources

LIMIT = Limit(most=1.3, noise=0.1)
BUDGET = {"cold": {"A": LIMIT, "B": LIMIT}, "warm": {"lead": LIMIT}}


def verdicts(lines: Rows) -> dict[str, str]:
    return {line[0]: line[-1] for line in lines}


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.5, Verdict.KEPT),
        (1.3, Verdict.KEPT),
        (1.31, Verdict.NOISE),
        (1.43, Verdict.NOISE),
        (1.44, Verdict.BROKEN),
        (math.nan, Verdict.BROKEN),
        (math.inf, Verdict.BROKEN),
    ],
)
def test_a_ratio_is_broken_when_it_is_over_its_limit_by_more_than_noise(ratio: float, verdict: Verdict) -> None:
    assert report.verdict(ratio, LIMIT) is verdict


def test_only_what_is_within_the_limit_and_its_noise_passes() -> None:
    assert {Verdict.KEPT, Verdict.NOISE} == GOOD


def test_a_measurement_that_is_missing_fails() -> None:
    lines = check({"cold": {"A": 1.0}, "warm": {"lead": 1.0}}, BUDGET)

    assert verdicts(lines) == {"cold.A": Verdict.KEPT, "cold.B": Verdict.NOT_MEASURED, "warm.lead": Verdict.KEPT}


def test_a_part_that_is_missing_fails_unless_it_was_not_asked_for() -> None:
    measured = {"cold": {"A": 1.0, "B": 1.0}}

    assert verdicts(check({**measured, "warm": {}}, BUDGET))["warm.lead"] == Verdict.NOT_MEASURED
    assert set(verdicts(check(measured, BUDGET))) == {"cold.A", "cold.B"}


def test_a_measurement_without_a_limit_fails() -> None:
    measured = {"cold": {"A": 1.0, "B": 1.0, "New": 1.0}, "warm": {"lead": 1.0}, "more": {"x": 1.0}}

    bad = {name: verdict for name, verdict in verdicts(check(measured, BUDGET)).items() if verdict not in GOOD}
    assert bad == {"cold.New": Verdict.NOT_BUDGETED, "more.x": Verdict.NOT_BUDGETED}


def test_every_function_has_a_scenario_and_a_limit_for_its_start_and_its_memory() -> None:
    functions = set(resources("AWS::Serverless::Function"))

    assert set(SCENARIOS) == functions
    assert set(limits()["cold"]) == set(limits()["memory"]) == functions


def test_the_limits_are_those_that_were_agreed() -> None:
    cold = limits()["cold"]

    assert {name: limit.most for name, limit in cold.items() if limit.most != 1.6} == {"ReceiveLead": 1.3}
    assert limits()["warm"]["lead"].most == 1.1
    assert limits()["compare"]["cpu_of_n8n"].most == 0.25
    assert {limit.most for limit in [limits()["reception"][case] for case in CASES]} == {1.3}
    assert set(limits()["reception"]) == {*CASES, "by_our_client"}
    assert set(limits()["lists"]) == {*LISTS, NEXT_PAGE, INBOX}
    assert max(limit.most for limit in limits()["lists"].values()) == 1.0
    assert all(0 < limit.noise <= 0.1 for part in limits().values() for limit in part.values())


def test_every_part_of_the_budget_is_measured_by_one_module() -> None:
    produced = [part for _, _, parts in bench.RUNS.values() for part in parts]
    produced.append(compare.NAME)  # by `make bench-compare`, which needs npm

    assert sorted(produced) == sorted(limits())


@pytest.mark.parametrize("slow", [1.0, 5.0])
def test_a_start_is_held_against_the_references_of_its_own_round(slow: float) -> None:
    function = [120.0, 120.0 * slow, 120.0 * slow]
    quick = [99.0, 100.0, 400.0]
    reference = [*quick, *(one * slow for one in quick * 2)]

    assert ratio(function, reference, rounds=3) == pytest.approx(1.2)


@pytest.mark.parametrize("leak", [0.0, 3.0])
def test_a_leak_is_seen_however_large_the_process_is_and_whatever_its_start_left(leak: float) -> None:
    start = [(number, 90_000.0 + 200 * number) for number in range(0, 250, 10)]
    memory = start + [(number, 140_000.0 + leak * number + number % 7) for number in range(250, 1000, 10)]

    assert left_by_each(memory) == pytest.approx(leak, abs=0.1)


def part(measured: float) -> Measurement:
    rows, ratios = (("both", "10.5"),), dict.fromkeys(limits()["warm"], measured)
    return Measurement("warm", "Medians of 3 leads", ("", "CPU, ms"), rows, ratios)


@pytest.mark.parametrize(("ratio", "code"), [(1.05, 0), (1.15, 0), (1.2, 1), (math.nan, 1)])
def test_the_command_ends_by_what_the_check_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ratio: float, code: int
) -> None:
    monkeypatch.setattr(bench, "run", lambda _name, _scale: [part(ratio)])
    monkeypatch.setattr(report, "of_other_code", lambda: ["memory", "warm"])

    assert bench.main(["--only", "warm"]) == code
    printed = capsys.readouterr().out
    assert "warm.lead" in printed
    assert "Tables of other code: memory, warm. " in printed


def test_a_part_that_measured_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run", lambda _name, _scale: [])

    assert bench.main(["--only", "warm"]) == 1


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(SystemExit):
        bench.main(["--only", "cold,lukewarm"])


def test_a_table_is_put_between_its_own_markers() -> None:
    text = "before\n<!-- cold -->\nold\n<!-- end -->\nbetween\n<!-- warm -->\nold\n<!-- end -->\nafter\n"

    assert report.replaced(text, {"warm": "new"}) == text.replace("warm -->\nold", "warm -->\nnew")
    with pytest.raises(LookupError):
        report.replaced(text, {"growth": "new"})


def test_the_page_has_a_place_for_every_part() -> None:
    text = report.PAGE.read_text(encoding="utf-8")

    assert all(text.count(f"<!-- {name} -->") == 1 for name in limits())


def test_the_page_says_of_which_code_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "app.py").write_text("before")
    monkeypatch.setattr(report, "PROJECT", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    report.PAGE.write_text("<!-- cold -->\nold\n<!-- end -->\n<!-- warm -->\nold\n<!-- end -->\n")
    before = report.code()

    report.write([part(1.2)])
    assert f"code `{before}`" in report.parts(report.PAGE)["warm"]
    assert report.parts(report.PAGE)["cold"] == "old"
    assert report.of_other_code() == ["cold"]

    (tmp_path / "functions" / "app.py").write_text("after")
    assert report.code() != before
    assert report.of_other_code() == ["cold", "warm"]


def test_a_block_tells_the_kind_of_machine_and_not_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-made-by-somebody")

    assert "6.1" in report.machine()
    assert "somebody" not in report.machine()
    assert "| warm.lead | 1.05 | 1.1 | 5% | kept |" in report.block(part(1.05))
