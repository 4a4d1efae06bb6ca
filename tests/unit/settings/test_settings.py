"""The configuration: what a person may write, and that every wrong line is named."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.lead import Loan, Person, Trading
from leadbridge.forms.base import adapter_named
from leadbridge.settings import Settings, read_shipped
from quality.testkit.configuration import CONFIG, GOOD, TABLES, compiled_configuration
from quality.testkit.template import ROOT
from tools.config import ENVIRONMENTS, WrongConfiguration, read_toml, ship


def tables() -> dict[str, Any]:
    return {name: tomllib.loads(text) for name, text in zip(TABLES, GOOD, strict=True)}


def wrong(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> str:
    """What is said of the good configuration after `change` of its source and its partner."""
    changed = tables()
    change(changed["sources"]["web"], changed["partners"]["lender"])
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(changed)
    return "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors(include_url=False)
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_configuration_of_every_environment_is_valid(environment: str) -> None:
    settings = Settings.model_validate(read_toml(CONFIG, environment))
    assert {"web"} <= settings.sources.keys()
    assert {"leadleader"} <= settings.partners.keys()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_shipped_is_what_was_written(environment: str, tmp_path: Path) -> None:
    ship(CONFIG, tmp_path / "shipped")
    shipped = read_shipped(tmp_path / "shipped" / f"{environment}.pickle")
    assert shipped == Settings.model_validate(read_toml(CONFIG, environment))


def test_a_cold_start_builds_no_validators() -> None:
    """They take longer than the rest of what a cold start does with the configuration."""
    code = (
        "import sys; from pathlib import Path; from leadbridge.settings import Partner, Settings, Source, read_shipped;"
        "read = read_shipped(Path(sys.argv[1])); assert read.partners and read.sources;"
        "print(*(one.__pydantic_complete__ for one in (Settings, Partner, Source)))"
    )
    command = [sys.executable, "-c", code, str(compiled_configuration() / "prod.pickle")]
    done = subprocess.run(command, cwd=ROOT / "layers/leadbridge", text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["False"] * 3


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_source_names_an_adapter_that_exists(environment: str) -> None:
    for source in Settings.model_validate(read_toml(CONFIG, environment)).sources.values():
        adapter = adapter_named(source.adapter)
        assert callable(adapter.verify)
        assert callable(adapter.parse)
        assert adapter.content_types


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_field_that_the_configuration_names_is_one_of_a_lead(environment: str) -> None:
    settings = Settings.model_validate(read_toml(CONFIG, environment))
    named = {path for source in settings.sources.values() for path in (*source.fields.values(), *source.defaults)}
    named |= {path for partner in settings.partners.values() for path in partner.requires}
    sections: dict[str, type[BaseModel]] = {
        "person": Person,
        "loan": Loan,
        "trading": Trading,
        "consent": Consent,
    }
    known = {f"{section}.{name}" for section, model in sections.items() for name in model.model_fields}
    assert {path for path in named if not path.startswith("utm.")} <= known


def test_the_lender_wants_what_its_contract_requires() -> None:
    lender = Settings.model_validate(read_toml(CONFIG, "prod")).partners["leadleader"]
    assert set(lender.requires) == {
        "person.full_name",
        "person.phone",
        "person.tax_number",
        "person.activity",
        "loan.amount",
        "loan.term",
    }
    assert (lender.phone_country, lender.tax_number_checksum, lender.status_method) == ("UA", "warn", "POST")


def test_the_example_of_this_file_is_valid() -> None:
    Settings.model_validate(tables())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda web, _: web.update(adaptor="tilda"), "sources.web.adaptor"),
        (lambda web, _: web.pop("adapter"), "sources.web.adapter"),
        (lambda web, _: web.update(partners=[]), "sources.web.partners"),
        (lambda web, _: web.update(partners="lender"), "sources.web.partners"),
        (lambda web, _: web.update(partners=["lendor"]), "source web: there is no partner 'lendor'"),
        (lambda web, _: web.update(fields={"Name": 1}), "sources.web.fields.Name"),
        (lambda web, _: web.update(defaults={"loan.term": [12]}), "sources.web.defaults.loan.term"),
        (lambda web, _: web.update(dedup_days=-1), "sources.web.dedup_days"),
        (lambda web, _: web.update(dedup_days=1.0), "sources.web.dedup_days"),
        (lambda web, _: web.update(dedup_days="1d"), "sources.web.dedup_days"),
        (lambda web, _: web.update(files="keep"), "sources.web.files"),
        (lambda web, _: web.update(answer=201), "sources.web.answer"),
        (lambda web, _: web.update(phone_country="380"), "sources.web.phone_country"),
        (lambda web, _: web.update(number_format="comma"), "sources.web.number_format"),
        (lambda web, _: web.update(defaults={"loan.term": True}), "sources.web.defaults.loan.term"),
        (lambda _, lender: lender.pop("kind"), "partners.lender.kind"),
        (lambda _, lender: lender.pop("requires"), "partners.lender.requires"),
        (lambda _, lender: lender.update(phone_country="Poland"), "partners.lender.phone_country"),
        (lambda _, lender: lender.update(tax_number_checksum="on"), "partners.lender.tax_number_checksum"),
        (lambda _, lender: lender.update(status_method="PUT"), "partners.lender.status_method"),
        (lambda _, lender: lender.update(time_zone="Kyiv"), "must be a time zone such as Europe/Kyiv, not 'Kyiv'"),
        (lambda _, lender: lender.pop("timeouts"), "partners.lender.timeouts"),
        (
            lambda _, lender: lender["timeouts"].update(connect=3),
            "partners.lender.timeouts.connect: Value error, a dura",
        ),
        (lambda _, lender: lender["timeouts"].update(read="0s"), "partners.lender.timeouts.read"),
        (lambda _, lender: lender["timeouts"].update(write="1s"), "partners.lender.timeouts.write"),
        (lambda _, lender: lender["retry"].update(first_delay="soon"), "partners.lender.retry.first_delay"),
        (lambda _, lender: lender["retry"].update(first_delay="0s"), "partners.lender.retry.first_delay"),
        (lambda _, lender: lender.update(cadence=[]), "give either a cadence, or how it is synced"),
        (lambda _, lender: lender["cadence"].pop(), 'every line but the last has an "until", the last one has none'),
        (lambda _, lender: lender["cadence"][0].pop("until"), 'every line but the last has an "until"'),
        (lambda _, lender: lender["cadence"].reverse(), 'every line but the last has an "until"'),
        (lambda _, lender: lender["cadence"][0].update(until="2d"), 'each "until" must be longer than the one before'),
        (lambda _, lender: lender["cadence"][0].update(until="24h"), 'each "until" must be longer than the one before'),
        (lambda _, lender: lender["cadence"][0].update(every="0m"), "partners.lender.cadence.0.every"),
        (lambda _, lender: lender["cadence"][0].pop("every"), "partners.lender.cadence.0.every"),
        (
            lambda _, lender: lender["cadence"][2].update(every="0%"),
            "partners.lender.cadence.2.every: Value error, a share",
        ),
        (lambda _, lender: lender["cadence"][2].update(every="101%"), 'is between "1%" and "100%"'),
        (
            lambda _, lender: lender["cadence"][2].update(every=0.2),
            "partners.lender.cadence.2.every: Value error, a duration",
        ),
        (lambda _, lender: lender["cadence"][2].update(at_least="31d"), "at_least must not be longer than at_most"),
        (lambda _, lender: lender["cadence"][2].update(at_most="0d"), "partners.lender.cadence.2.at_most"),
        (
            lambda _, lender: lender["cadence"][0].update(at_least="1m"),
            "partners.lender.cadence.0: Value error, at_least",
        ),
        (lambda _, lender: lender["cadence"][0].update(every="20%"), 'the first line needs "at_least"'),
        (lambda _, lender: lender.update(hours=[]), "partners.lender.hours"),
        (lambda _, lender: lender.update(hours=["mon 9:00-18:00"] * 2), "two periods of mon overlap"),
        (
            lambda _, lender: lender.update(hours=["mon-fri 9:00-18:00", "fri 17:00-20:00"]),
            "two periods of fri overlap",
        ),
        (
            lambda _, lender: lender.update(hours=["mo 9:00-18:00"]),
            "partners.lender.hours.0: Value error, 'mo' is no day",
        ),
        (lambda _, lender: lender.update(hours=["mon 18:00-9:00"]), "must end after it starts"),
        (lambda _, lender: lender.update(hours=["mon 9:00-9:00"]), "must end after it starts"),
        (lambda _, lender: lender.update(hours=["mon 9:00-24:01"]), "the latest time is 24:00"),
        (lambda _, lender: lender.update(hours=["mon 9:60-18:00"]), "opening hours look like"),
        (lambda _, lender: lender.update(hours=["mon-tue-wed 9:00-18:00"]), "'mon-tue-wed' is no day"),
        (lambda web, _: web.update(count_by="ids.gclid"), "count_by: String should match pattern"),
        (lambda web, _: web.update(count_by="person.phone"), "count_by: String should match pattern"),
        (lambda _, lender: lender["statuses"].update({"Нова": "new"}), "partners.lender.statuses.Нова"),
        (lambda _, lender: lender["statuses"].update({"Нова": {}}), "partners.lender.statuses.Нова.outcome"),
        (
            lambda _, lender: lender["statuses"].update({"Нова": {"outcome": "paid"}}),
            "Input should be 'new', 'in_progress', 'approved', 'issued', 'active', 'declined' or 'cancelled'",
        ),
        (lambda _, lender: lender["statuses"]["Видано"].update(final="maybe"), "partners.lender.statuses.Видано.final"),
    ],
)
def test_a_wrong_line_is_named(change: Callable[[dict[str, Any], dict[str, Any]], object], named: str) -> None:
    assert named in wrong(change)


@given(st.integers(1, 999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]))
def test_durations_are_a_number_and_a_unit(number: int, unit: tuple[str, int]) -> None:
    letter, seconds = unit
    changed = tables()
    changed["partners"]["lender"]["timeouts"]["read"] = f"{number}{letter}"
    read = Settings.model_validate(changed).partners["lender"].timeouts.read
    assert read == timedelta(seconds=number * seconds)


NO_DURATIONS = ["٣s", "1.5h", "-1s", "1 s", "1S", "1w", "1s\n", "1000000s", "s", "", 30, 1.5, None, True]


@given(st.sampled_from(NO_DURATIONS) | st.text().filter(lambda text: not re.fullmatch("[0-9]+[smhd]", text)))
def test_nothing_else_is_a_duration(value: object) -> None:
    assert "partners.lender.timeouts.read" in wrong(lambda _, lender: lender["timeouts"].update(read=value))


def test_the_first_line_above_a_deals_age_counts() -> None:
    schedule = Settings.model_validate(tables()).partners["lender"].check_schedule
    assert schedule is not None
    minute, day = timedelta(minutes=1), timedelta(days=1)
    waits = {before: after - before for before, after in pairwise((timedelta(), *schedule.ages))}
    assert waits[timedelta()] == waits[58 * minute] == 2 * minute
    assert waits[60 * minute] == waits[day - 15 * minute] == 15 * minute
    assert waits[day] == day * 0.2
    assert waits[schedule.ages[-2]] == 30 * day


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in zip(TABLES, GOOD, strict=True):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_an_environments_own_lines_lie_over_the_rest(folder: Path) -> None:
    (folder / "partners.local.toml").write_text('[lender.timeouts]\nread = "1s"\n[[lender.cadence]]\nevery = "3s"\n')
    lender = read_toml(folder, "local")["partners"]["lender"]
    assert lender["timeouts"] == {"connect": "3s", "read": "1s"}
    assert lender["cadence"] == [{"every": "3s"}]
    assert lender["requires"] == ["person.phone"]


def test_an_environments_own_lines_concern_no_other(folder: Path) -> None:
    (folder / "partners.local.toml").write_text('[lender.timeouts]\nread = "1s"\n')
    (folder / "sources.dev.toml").write_text('[web]\nadapter = "tilda"\n')
    assert read_toml(folder, "prod") == tables()


def test_an_environment_may_add_a_source(folder: Path) -> None:
    (folder / "sources.dev.toml").write_text('[test]\nadapter = "standard_webhooks"\npartners = ["lender"]\n')
    assert Settings.model_validate(read_toml(folder, "dev")).sources.keys() == {"web", "test"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_line_that_is_wrong_in_one_environment_ships_nothing_to_it(folder: Path, environment: str) -> None:
    (folder / f"partners.{environment}.toml").write_text('[lender.timeouts]\nread = "never"\n')
    told = rf"partners\.{environment}\.toml:2: partner lender: 'timeouts read': a duration looks like"
    with pytest.raises(WrongConfiguration, match=told):
        ship(folder, folder / "shipped")
    assert not (folder / "shipped" / f"{environment}.pickle").exists()


def test_text_that_is_no_toml_ships_nothing(folder: Path) -> None:
    (folder / "sources.toml").write_text("[web\n")
    with pytest.raises(WrongConfiguration, match=r"sources\.toml:1: this is not TOML"):
        ship(folder, folder / "shipped")


def test_shipped_text_keeps_its_letters(folder: Path) -> None:
    ship(folder, folder / "shipped")
    shipped = read_shipped(folder / "shipped" / "prod.pickle")
    assert "Видано" in shipped.partners["lender"].statuses
    assert shipped == Settings.model_validate(tables())


def wrong_messages(change: Callable[[dict[str, Any]], object]) -> str:
    """What is said of the shipped messages after a change."""
    changed = tables()
    change(changed["messages"])
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(changed)
    return "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors(include_url=False)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda m: m["notifications"]["lender"]["default"]["text"].update(uk="Статус: {statos}"),
            "there is no {statos}",
        ),
        (
            lambda m: m["notifications"]["lender"]["default"].update(template_id="5f"),
            "either a text or a template_id",
        ),
        (lambda m: m["notifications"]["lender"]["default"].pop("text"), "either a text or a template_id"),
        (lambda m: m["time_zones"].update({"+1": "America/Atlantis"}), "such as Europe/Kyiv, not 'America/Atlantis'"),
        (lambda m: m["time_zones"].pop("default"), "there must be a default"),
        (lambda m: m["quiet_hours"].update(to="25:00"), "messages.quiet_hours.to"),
        (lambda m: m["channel"].update(prefered="TELEGRAM"), "messages.channel.prefered"),
    ],
)
def test_a_wrong_line_of_the_messages_is_named(change: Callable[[dict[str, Any]], object], named: str) -> None:
    assert named in wrong_messages(change)


@pytest.mark.parametrize(
    ("table", "line", "named"),
    [
        ("sources", '[web]\nadapter = "standrd_webhooks"\n', "source web: there is no adapter 'standrd_webhooks'"),
        ("sources", '[web.defaults]\n"loan.tern" = 12\n', "source web: a lead has no field 'loan.tern'"),
        ("sources", '[web.fields]\nName = "persn.full_name"\n', "source web: a lead has no field 'persn.full_name'"),
        (
            "partners",
            '[lender]\nrequires = ["person.fullname"]\n',
            "partner lender: a lead has no field 'person.fullname'",
        ),
    ],
)
def test_a_name_that_nothing_has_ships_nothing(folder: Path, table: str, line: str, named: str) -> None:
    (folder / f"{table}.prod.toml").write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(named)):
        ship(folder, folder / "shipped")
    assert not (folder / "shipped" / "prod.pickle").exists()
