"""A wrong configuration: every wrong line, in a person's words, and nothing shipped."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.settings import self_check
from quality.testkit.configuration import GOOD, TABLES
from quality.testkit.template import ROOT
from tools.config import WrongConfiguration, check, lines_of, ship
from tools.config.__main__ import main
from tools.config.checks import Place, adapters, fields_of_a_lead

SOURCE = """\
# where leads come from
[tilda-credit]
adapter = "tilda"
partners = ["lender"]

[tilda-credit.fields]
"Ім'я" = "person.full_name"
"Phone" = "person.phone"

[tilda-credit.defaults]
"loan.term" = 12
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = tmp_path / "config"
    config.mkdir()
    for name, text in zip(TABLES, GOOD, strict=True):
        (config / f"{name}.toml").write_text(text, encoding="utf-8")
    (config / "sources.toml").write_text(SOURCE, encoding="utf-8")
    return config


def problems(folder: Path) -> list[str]:
    with pytest.raises(WrongConfiguration) as caught:
        check(folder)
    return caught.value.problems


def changed(folder: Path, before: str, after: str) -> list[str]:
    """What is said of the source's file after one change."""
    assert before in SOURCE
    (folder / "sources.toml").write_text(SOURCE.replace(before, after), encoding="utf-8")
    return problems(folder)


def test_the_example_of_this_file_is_right(folder: Path) -> None:
    assert check(folder).keys() == {"local", "dev", "prod"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"tilda"', '"tilds"', "3: source tilda-credit: there is no adapter 'tilds'; did you mean 'tilda'?"),
        ('"tilda"', '"json_body"', "3: source tilda-credit: there is no adapter 'json_body'"),
        ('"tilda"', '"../tilda"', "3: source tilda-credit: there is no adapter '../tilda'; did you mean 'tilda'?"),
        ('"tilda"', "5", "3: source tilda-credit: 'adapter' must be text in quotes"),
        ('adapter = "tilda"\n', "", "2: source tilda-credit: 'adapter' is missing"),
        (
            "adapter =",
            "adaptor =",
            "2: source tilda-credit: 'adapter' is missing|3: source tilda-credit: there is no setting 'adaptor'; did",
        ),
        (
            '["lender"]',
            '["lender", "lendor"]',
            "4: source tilda-credit: there is no partner 'lendor' in partners.toml; did you mean 'lender'?",
        ),
        ('["lender"]', '["lender", "lender"]', "4: source tilda-credit: the partner 'lender' is named twice"),
        (
            '["lender"]',
            '[{ to = [{ partner = "lendor", weight = 1 }, { partner = "lender", weight = 2 }] }]',
            "4: source tilda-credit: there is no partner 'lendor' in partners.toml; did you mean 'lender'?",
        ),
        (
            '["lender"]',
            '[{ to = [{ partner = "lender", weight = 1 }, "other"] }]',
            "to has weights, but not for 'other': give every partner a weight, or none",
        ),
        (
            '["lender"]',
            '[{ to = [{ partner = "lender", weight = 0 }, { partner = "other", weight = 1 }] }]',
            "weight' must be greater than or equal to 1",
        ),
        ('["lender"]', '[{ to = ["lender", "lender"] }]', "to names 'lender' twice: remove one of the two"),
        (
            '["lender"]',
            '[{ to = "lender", next_on = ["duplicate"] }]',
            "next_on needs a second partner in to: add one, or remove next_on",
        ),
        (
            '["lender"]',
            '[{ to = "lender", when = { time = { within = "noon" } } }]',
            'opening hours look like "mon-fri 09:00-18:00"',
        ),
        ('["lender"]', "[]", "4: source tilda-credit: 'partners' must not be empty"),
        ('["lender"]', '"lender"', """4: source tilda-credit: 'partners' must be a list such as ["one", "two"]"""),
        ('["lender"]', "[\n  5,\n]", "4: source tilda-credit: 'partners no. 1': give a partner in quotes, or a rule"),
        (
            '["lender"]',
            '[\n  { to = "lendr", when = { "loan.amont" = { at_least = 1 }, "form.Будь-яке" = { given = true } } },\n]',
            "a lead has no field 'loan.amont'; did you mean|there is no partner 'lendr' in partners.toml; did",
        ),
        (
            '["lender"]',
            '[{ to = "lender", when = { "loan.amount" = { over = 1 } } }]',
            "4: source tilda-credit: there is no setting 'over'",
        ),
        (
            '["lender"]',
            '[{ to = "lender", when = { "loan.amount" = { at_least = "багато" } } }]',
            "'partners no. 1 when loan.amount at_least': must be a number",
        ),
        (
            'adapter = "tilda"',
            'adapter = "tilda"\nequals = "x"',
            "4: source tilda-credit: there is no setting 'equals' in this section",
        ),
        (
            "person.phone",
            "person.fone",
            "8: source tilda-credit: a lead has no field 'person.fone'; did you mean 'person.phone'?",
        ),
        ("person.phone", "phone", "8: source tilda-credit: a lead has no field 'phone'; did you mean 'person.phone'?"),
        ("person.phone", "utm.source", "8: source tilda-credit: a lead has no field 'utm.source'"),
        ('"person.phone"', "true", "8: source tilda-credit: 'fields Phone' must be text in quotes"),
        (
            '"Phone"',
            '" ІМ\'Я "',
            '8: source tilda-credit: "Ім\'я" and " ІМ\'Я " are one form field',
        ),
        (
            "loan.term",
            "loan.tern",
            "11: source tilda-credit: a lead has no field 'loan.tern'; did you mean 'loan.term'?",
        ),
        ("12", "1.5", "11: source tilda-credit: 'defaults loan.term' must be text in quotes"),
        (
            "[tilda-credit.defaults]\n",
            "[tilda-credit.default]\n",
            "10: source tilda-credit: there is no setting 'default'; did you mean 'defaults'?",
        ),
        ("\n\n[tilda-credit.f", "\nfiles = 'keep'\n[tilda-credit.f", "'files' must be 'drop' or 'refuse'"),
        ("\n\n[tilda-credit.f", "\ndedup_days = -1\n[tilda-credit.f", "'dedup_days' must be greater than or equal"),
        ("\n\n[tilda-credit.f", "\ndedup_days = 1.5\n[tilda-credit.f", "'dedup_days' must be a valid integer"),
        ("\n\n[tilda-credit.f", "\ndedup_days = 99999\n[tilda-credit.f", "'dedup_days' must be less than or equal"),
        ("\n\n[tilda-credit.f", "\nstale_after = '0h'\n[tilda-credit.f", "'stale_after': a duration looks like"),
        ("\n\n[tilda-credit.f", "\nstale_after = 24\n[tilda-credit.f", "'stale_after': a duration looks like"),
        ("# where leads come from", "x = 5", "1: source x: it must be a table of settings"),
        ("# where leads come from", '["a/b"]\nadapter="tilda"\npartners=["lender"]', "1: source a/b: a name is part"),
        ('"tilda"', "tilda", "3: this is not TOML: invalid value"),
        ('"tilda"', '"tilda', "3: this is not TOML: illegal character"),
        ('"Phone"', '"Ім\'я"', "8: this is not TOML: cannot overwrite a value"),
        ('"loan.term" = 12', '"loan.term" =', "11: this is not TOML: invalid value"),
        ("[tilda-credit.defaults]", "[tilda-credit]", "10: this is not TOML: cannot declare"),
    ],
)
def test_a_wrong_line_is_reported_by_its_number(folder: Path, before: str, after: str, said: str) -> None:
    told = changed(folder, before, after)
    expected = said.split("|")
    assert len(told) == len(expected)
    for one, wanted in zip(told, expected, strict=True):
        assert one.startswith("config/sources.toml:")
        assert wanted in one


def test_everything_that_is_wrong_is_reported_once_and_in_order(folder: Path) -> None:
    text = SOURCE.replace('"tilda"', '"tilds"').replace("[tilda-credit]", "[T]")
    (folder / "sources.toml").write_text(text, encoding="utf-8")
    (folder / "partners.toml").write_text(GOOD[1].replace("person.phone", "person.phon"), encoding="utf-8")
    assert [re.sub(r": .*", "", one) for one in problems(folder)] == [
        "config/partners.toml:4",
        "config/sources.toml:3",
        *["config/sources.toml:6"] * 2,
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "statuses =",
            'hours = ["mon-fri 9-18",\n"sat 14-10"]\nstatuses =',
            "9: partner lender: 'hours no. 2': 'sat 14",
        ),
        ('every = "20%"', 'every = "120%"', "8: partner lender: 'cadence no. 3 every': a share of the age is between"),
        ('at_most = "30d"', 'at_least = "2h", at_most = "1h"', "8: partner lender: 'cadence no. 3': at_least must not"),
        (
            'every = "20%", at_most = "30d"',
            'every = "1d"',
            "8: partner lender: 'cadence': a deal would be checked more",
        ),
    ],
)
def test_a_wrong_cadence_or_opening_hour_is_named_by_its_line(folder: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD[1]
    (folder / "partners.toml").write_text(GOOD[1].replace(before, after), encoding="utf-8")
    assert [one.startswith(f"config/partners.toml:{said}") for one in problems(folder)] == [True], problems(folder)


TWO = GOOD[1] + GOOD[1].replace("[lender]", "[other]")
TEXTS_OF_TWO = GOOD[2] + "[notifications.other.default]\non = false\n"
NO_ROUTE = (
    "no source sends it leads: add it to 'partners' of a source in sources.toml, "
    "or set by_hand = true if only operators send it leads"
)
NO_TEXTS = (
    "partner lender: there are no texts about its statuses: add [notifications.lender.default] to messages.toml, "
    "with texts, or with on = false for no messages"
)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ('["lender", "other"]', None),
        ('[{ to = ["lender", "other"] }]', None),
        ('[{ to = [{ partner = "lender", weight = 1 }, { partner = "other", weight = 2 }] }]', None),
        ('["lender"]', f"config/partners.toml:11: partner other: {NO_ROUTE}"),
        ('[{ to = ["other"] }]', f"config/partners.toml:2: partner lender: {NO_ROUTE}"),
    ],
)
def test_a_partner_needs_a_source_that_sends_it_leads(folder: Path, to: str, said: str | None) -> None:
    (folder / "sources.toml").write_text(SOURCE.replace('["lender"]', to), encoding="utf-8")
    (folder / "partners.toml").write_text(TWO, encoding="utf-8")
    (folder / "messages.toml").write_text(TEXTS_OF_TWO, encoding="utf-8")
    assert (problems(folder) if said else []) == ([said] if said else [])
    assert said or check(folder)


def test_the_test_lead_of_a_deployment_is_no_route(folder: Path) -> None:
    (folder / "sources.toml").write_text(SOURCE.replace("tilda-credit", self_check.SOURCE), encoding="utf-8")
    assert problems(folder) == [f"config/partners.toml:2: partner lender: {NO_ROUTE}"]


def test_a_partner_of_operators_alone_has_no_source(folder: Path) -> None:
    by_hand = GOOD[1].replace("[lender]", "[lender]\nby_hand = true")
    (folder / "partners.toml").write_text(by_hand, encoding="utf-8")
    (told,) = problems(folder)
    assert told.startswith("config/partners.toml:3: partner lender: source 'tilda-credit' sends it leads, so remove")
    (folder / "sources.toml").write_text("", encoding="utf-8")
    assert check(folder)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("default.text]\nuk =", "default]\non = false\n#", []),
        ("[notifications.lender.default.text]\n", "[notifications]\n#", [NO_TEXTS]),
        (
            "notifications.lender",
            "notifications.lendr",
            ["[notifications.lendr]: there is no partner 'lendr' in partners.toml; did you mean 'lender'?", NO_TEXTS],
        ),
    ],
)
def test_a_partner_needs_texts_about_its_statuses(folder: Path, before: str, after: str, said: list[str]) -> None:
    assert before in GOOD[2]
    (folder / "messages.toml").write_text(GOOD[2].replace(before, after), encoding="utf-8")
    told = problems(folder) if said else []
    assert [one.partition(": ")[2] for one in told] == said
    assert said or check(folder)


def test_an_environments_own_file_is_named(folder: Path) -> None:
    (folder / "sources.dev.toml").write_text('[tilda-credit]\n\nadapter = "no"\n', encoding="utf-8")
    (folder / "partners.local.toml").write_text('[[lender.cadence]]\nevery = "1s"\n[[lender.cadence]]\nevery="x"\n')
    in_partners, in_sources = problems(folder)
    assert in_partners.startswith(
        "config/partners.local.toml:4: partner lender: 'cadence no. 2 every': a duration looks"
    )
    assert in_sources == "config/sources.dev.toml:3: source tilda-credit: there is no adapter 'no'"


def test_files_that_cannot_be_read_are_reported_too(folder: Path) -> None:
    (folder / "sources.toml").write_bytes(SOURCE.encode("cp1251"))
    (folder / "messages.toml").unlink()
    assert problems(folder) == [
        "config/messages.toml:1: the file cannot be read",
        "config/sources.toml:1: the file is not UTF-8; save it as UTF-8",
    ]


def test_a_byte_order_mark_is_no_obstacle(folder: Path) -> None:
    (folder / "sources.toml").write_text(f"\ufeff{SOURCE}".replace("\n", "\r\n"), encoding="utf-8")
    assert check(folder)


def test_nothing_is_shipped_of_a_wrong_configuration(folder: Path, tmp_path: Path) -> None:
    changed(folder, '"tilda"', '"tilds"')
    with pytest.raises(WrongConfiguration):
        ship(folder, tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()


def test_the_command_says_what_is_wrong_without_a_traceback(folder: Path) -> None:
    changed(folder, "person.phone", "person.fone")
    command = [sys.executable, "-m", "tools.config", str(folder), str(folder / "shipped")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr == (
        "config/sources.toml:8: source tilda-credit: a lead has no field 'person.fone'; did you mean 'person.phone'?\n"
    )
    assert done.stdout == ""


def test_the_command_says_that_all_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == "config is right: 1 sources, 1 partners, 3 environments\n"
    assert not (folder / "shipped").exists()
    assert main([str(folder), str(folder / "shipped")]) == 0
    assert (folder / "shipped" / "prod.pickle").exists()


def test_the_adapters_are_those_of_the_forms() -> None:
    assert {"tilda", "plain", "standard_webhooks"} <= set(adapters())
    assert not {"adapter", "bodies", "json_body", "mapping", "reception", "tokens"} & set(adapters())
    assert {"person.phone", "loan.term", "consent.text"} <= set(fields_of_a_lead())


TOML = '''\
# a comment with [a.table] = "and a value"
top = 1
[one]
"a key" = """
[not.a.table]
no = "key"
"""
b.c = { d = 1, "e f" = [1, { g = 2 }] } # = [x]

list = [
  "]", # ]
  'a\\',
  [1, 2],
]
[[one.steps]]
every = 1
[[one.steps]]
every = 2
[one.steps.more]
x = \'\'\'it's\'\'\'
[ one . "two.three" ]
y = 1979-05-27T07:32:00Z
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("top",), 2),
        (("one",), 3),
        (("one", "a key"), 4),
        (("one", "b"), 8),
        (("one", "b", "c"), 8),
        (("one", "b", "c", "e f", 1, "g"), 8),
        (("one", "list"), 10),
        (("one", "list", 0), 10),
        (("one", "list", 2, 1), 10),
        (("one", "steps", 0), 15),
        (("one", "steps", 0, "every"), 16),
        (("one", "steps", 1, "every"), 18),
        (("one", "steps", 1, "more", "x"), 20),
        (("one", "two.three"), 21),
        (("one", "two.three", "y"), 22),
    ],
)
def test_every_place_has_its_line(place: Place, line: int) -> None:
    assert lines_of(TOML)[place] == line


LINES = ["[a]", "[[a.b]]", "[a.b.c]", "a=1", "b.c='#'", 'd="""\n[x]"""', "e=[1,\n{f=2}]", "", "# [z]"]


def places(content: object, place: Place = ()) -> set[Place]:
    """Every place in a value that was read."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return {place} - {()} | {deeper for key, value in inner for deeper in places(value, (*place, key))}


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.toml")), ids=lambda file: file.name)
def test_no_place_of_the_shipped_files_is_missed(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert lines_of(text).keys() == places(tomllib.loads(text))


@given(st.text(alphabet="[]{}=.,#\"'\\ \n\tab1_-'", max_size=40) | st.lists(st.sampled_from(LINES)).map("\n".join))
def test_any_toml_has_all_its_places(text: str) -> None:
    try:
        content = tomllib.loads(text)
    except ValueError:
        return
    assert lines_of(text).keys() == places(content)


FEEDBACK = """
[tilda-credit.feedback.tracker]
kind = "url"
on = { submitted = "lead", issued = "sale" }
payout = { issued = 25.5 }
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"url"', '"uri"', "there is no kind of tracker 'uri'; did you mean 'url'?"),
        ('"url"', '"facebook"', "there is no kind of tracker 'facebook'"),
        ("submitted", "submited", "there is no event 'submited'; did you mean 'submitted'?"),
        ("payout = { issued", "payout = { approved", "payout has 'approved', which is not in on"),
        ('{ submitted = "lead", issued = "sale" }', "{}", "'feedback tracker on' must not be empty"),
        ("feedback.tracker", "feedback.Tracker_1", "Tracker_1"),
        ("25.5", "true", "must be a number"),
    ],
)
def test_a_wrong_tracker_is_named(folder: Path, before: str, after: str, said: str) -> None:
    text = SOURCE + FEEDBACK
    (folder / "sources.toml").write_text(text, encoding="utf-8")
    assert check(folder).keys() == {"local", "dev", "prod"}
    assert before in FEEDBACK
    (folder / "sources.toml").write_text(SOURCE + FEEDBACK.replace(before, after, 1), encoding="utf-8")
    found = problems(folder)
    assert any(said in one for one in found), found
