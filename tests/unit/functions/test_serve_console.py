"""The console as it is served: whole, small, kept by browsers, with nothing in it that could be turned against us."""

import gzip
import re
from collections.abc import Callable
from graphlib import CycleError
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

from leadbridge.api.routes.partners import CapView, PartnerView
from leadbridge.api.routes.sources import RuleResultView
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.lead import field_paths
from leadbridge.domain.message import MessageState
from leadbridge.domain.routing.fallback import NextOn
from leadbridge.domain.statistics.times import LONGER, TIME_LIMITS, Stage
from leadbridge.domain.statuses.outcomes import DeliveryOutcome
from leadbridge.runtime import console_files
from quality.testkit.browser.foreign_words import NAMES, latin_words
from quality.testkit.fixtures import Context
from quality.testkit.template import ROOT

STATIC = ROOT / "functions" / "serve_console" / "static"
VENDORED = {"uplot.js", "uplot.css", "uplot.LICENSE.txt"}
SCRIPTS = sorted(path for path in STATIC.glob("*.js") if path.name not in VENDORED)
LANGUAGES = ("en", "uk", "ru")
FIRST_LOAD = 150 * 1024  # bytes, compressed
DANGEROUS = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"
    r"|createContextualFragment|srcdoc|javascript:|setAttribute\(\"on"
)

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(function: Callable[[str], ModuleType], context: Context) -> Ask:
    app = function("serve_console")

    def send(file: str | None = None, *, headers: dict[str, str] | None = None, **query: str) -> dict[str, Any]:
        event = {
            "httpMethod": "GET",
            "resource": "/console/{file}" if file else "/console",
            "pathParameters": {"file": file} if file else None,
            "queryStringParameters": query or None,
            "headers": headers or {},
        }
        response: dict[str, Any] = app.handler(event, context)
        return response

    return send


def words(language: str) -> dict[str, str]:
    """Return the texts of a language by key, as they are written."""
    text = (STATIC / f"words.{language}.js").read_text(encoding="utf-8")
    found = re.findall(r'^  (?:"([\w.-]+)"|(\w+)): (.*),$', text, re.MULTILINE)
    texts = {key or bare: rest for key, bare, rest in found}
    assert len(texts) == len(found), "a key has two texts"
    return texts


def test_everything_is_sent_with_headers_that_let_nothing_else_in(ask: Ask) -> None:
    for name in (None, *(path.name for path in STATIC.iterdir() if path.name != "index.html")):
        answer = ask(name)
        assert answer["statusCode"] == 200
        policy = answer["headers"]["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
        assert policy.endswith("base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
        assert answer["headers"]["Referrer-Policy"] == "no-referrer"


def test_a_browser_keeps_what_it_has_until_there_is_another_version(ask: Ask) -> None:
    page = ask()
    assert page["headers"]["Cache-Control"] == "no-cache"
    [(name, version)] = re.findall(r'src="console/([\w.]+)\?v=(\w+)"', page["body"])
    bundle = ask(name, v=version)
    assert "immutable" in bundle["headers"]["Cache-Control"]
    assert set(re.findall(r'"console/[\w.-]+\?v=(\w+)"', bundle["body"])) == {version}
    older = ask(name, v="older")  # while a new version is being rolled out, either may answer
    assert (older["statusCode"], older["headers"]["Cache-Control"]) == (200, "no-cache")
    etag = page["headers"]["ETag"]
    for known in (etag, f'"other", W/{etag}'):
        again = ask(headers={"If-None-Match": known})
        assert (again["statusCode"], again["body"]) == (304, "")
        assert again["headers"]["ETag"] == etag


@pytest.mark.parametrize("file", ["nothing.js", "../app.py", "app.py", "static", ".", "%2e%2e", "uplot.js/"])
def test_nothing_but_its_own_files_is_sent(ask: Ask, file: str) -> None:
    assert ask(file)["statusCode"] == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("uk-UA,uk;q=0.9,en;q=0.8", "uk"),
        ("ru", "ru"),
        ("pl-PL, RU;q=0.5", "ru"),
        ("pl", "en"),
        ("", "en"),
        ("\0", "en"),
    ],
)
def test_the_first_view_is_the_page_and_one_small_bundle_in_the_browsers_language(
    ask: Ask, accepted: str, language: str
) -> None:
    page = ask(headers={"Accept-Language": accepted})
    assert page["headers"]["Vary"] == "Accept-Language"
    assert re.findall(r'(?:src|href)="(?!data:)([\w./-]+)\?', page["body"]) == [f"console/app.{language}.js"]
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page["body"])
    bundle = ask(f"app.{language}.js")["body"]
    texts = (page["body"], bundle)
    assert sum(len(gzip.compress(text.encode(), 6)) for text in texts) < FIRST_LOAD
    assert f'"nav.leads": "{ {"en": "Leads", "uk": "Ліди", "ru": "Лиды"}[language] }"' in bundle


def test_a_bundle_has_every_script_after_those_it_imports_and_none_is_unused(ask: Ask) -> None:
    bundle = ask("app.en.js")["body"]
    order = re.findall(r"^// ([\w.]+\.js)$", bundle, re.MULTILINE)
    late = {f"words.{language}.js" for language in LANGUAGES}
    assert set(order) == {path.name for path in SCRIPTS} - late
    assert order[-1] == "app.js"
    for script in SCRIPTS:
        for imported in re.findall(r'from "\./([\w.-]+)"', script.read_text(encoding="utf-8")):
            assert order.index(imported) < order.index(script.name)
    assert not re.search(r"^(?:import|export)\b", bundle, re.MULTILINE)
    styles = [path.name for path in STATIC.glob("*.css") if path.name not in VENDORED]
    assert sorted(styles) == sorted(console_files.STYLES)


@pytest.mark.parametrize(
    "line",
    [
        'import * as dom from "./dom.js";',
        'import "./dom.js";',
        'import dom from "./dom.js";',
        "export let count = 0;",
        "export { el };",
        "export default 1;",
        'import { el } from "https://example.com/dom.js";',
    ],
)
def test_a_script_that_cannot_be_bundled_is_refused_by_name(line: str) -> None:
    with pytest.raises(ValueError, match=r"^list\.js: this form of import or export cannot be bundled: "):
        console_files.wrapped("list.js", f"const one = 1;\n{line}\n")


def test_scripts_that_import_each_other_are_refused() -> None:
    files = dict.fromkeys(console_files.STYLES, "")
    files |= {"app.js": 'import { a } from "./a.js";', "a.js": 'import { b } from "./b.js";'}
    with pytest.raises(CycleError):
        console_files.shared_part({**files, "b.js": 'import { a } from "./a.js";'})


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert re.findall(DANGEROUS, text) == []
    assert re.findall(r"https?://", text) == [], "everything is served by us"
    assert len(text.splitlines()) <= 300 or script.name.startswith("words.")


def test_what_is_not_ours_says_whose_it_is() -> None:
    assert "uPlot (v1.6.32)" in (STATIC / "uplot.js").read_text(encoding="utf-8")[:200]
    assert "MIT" in (STATIC / "uplot.LICENSE.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_keys_placeholders_and_plural_forms(language: str) -> None:
    spoken, english = words(language), words("en")
    assert spoken.keys() == english.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", spoken[key])) == set(re.findall(r"\{(\w+)\}", text)), key
    forms = {"one", "other"} if language == "en" else {"one", "few", "many", "other"}
    for key, text in spoken.items():
        if text.startswith("{"):
            assert set(re.findall(r"(\w+): \"", text)) == forms, key


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_no_text_has_words_of_another_language(language: str) -> None:
    """Neither English words, nor words with letters of both alphabets, nor letters of the other Cyrillic alphabet."""
    foreign = {"uk": "ыэёъЫЭЁЪ", "ru": "іїєґІЇЄҐ"}[language]
    for key, text in words(language).items():
        shown = " ".join(re.findall(r'"([^"]*)"', text))
        assert latin_words(re.sub(r"\{\w+\}", "", shown)) <= NAMES, key
        assert re.findall(r"[а-яіїєґ][a-z]|[a-z][а-яіїєґ]", shown, re.IGNORECASE) == [], key
        assert not set(shown) & set(foreign), key


def test_every_key_that_a_script_uses_exists() -> None:
    used: set[str] = set()
    for script in SCRIPTS:
        if not script.name.startswith("words."):
            used |= set(re.findall(r'\b(?:t|phrase)\("([\w.-]+)"', script.read_text(encoding="utf-8")))
    assert len(used) > 80
    assert used - words("en").keys() == set()


def test_every_state_field_step_and_error_is_translated() -> None:
    keys = words("en").keys()
    assert {f"{kind}.{state}" for kind in ("state", "explanation", "advice") for state in State} <= keys
    assert {f"state.{status}" for status in LeadStatus} <= keys
    assert {"explanation.incomplete", "advice.incomplete"} <= keys
    assert {f"waiting.{reason}" for reason in WaitReason} <= keys
    assert {f"partner.{state}" for state in get_args(get_type_hints(PartnerView)["state"])} <= keys
    assert {f"cap.{window}" for window in get_args(get_type_hints(CapView)["window"])} <= keys
    assert {f"partners.within.{limit}" for limit in (*TIME_LIMITS[Stage.SUBMITTED], LONGER)} <= keys
    assert {f"outcome.{outcome}" for outcome in DeliveryOutcome} <= keys
    assert {f"next_on.{outcome}" for outcome in NextOn} <= keys
    assert {f"dry_run.{result}" for result in get_args(get_type_hints(RuleResultView)["result"])} <= keys
    paths_of_fields = [path.partition(".") for path in field_paths()]
    assert {f"section.{section}" for section, _, _ in paths_of_fields} <= keys
    assert {f"field.{name}" for _, _, name in paths_of_fields} <= keys
    assert {f"message.{state}" for state in MessageState} <= keys
    assert {f"field_error.{code}" for code in FieldCode} == {key for key in keys if key.startswith("field_error.")}
    assert {f"error.{code}" for code in ErrorCode} == {key for key in keys if key.startswith("error.")}
    layer = ROOT / "layers" / "leadbridge" / "leadbridge"
    folders = ("domain", "services", "storage", "api")
    paths = (*(path for name in folders for path in (layer / name).rglob("*.py")), *ROOT.glob("functions/*/app.py"))
    code = "".join(path.read_text(encoding="utf-8") for path in paths)
    entries = {state.value for state in State} - {"closed"} | {f"message_{state}" for state in MessageState}
    entries -= {"message_pending", "message_sending"}
    entries |= set(re.findall(r'Entry(?:\.by_operator)?\((?:[\w.]+|utc_now\(\)), "(\w+)"', code))
    entries |= set(re.findall(r'\bnow,\s+"(\w+)"(?!:)', code)) | set(re.findall(r'_note\(letter, "(\w+)"', code))
    entries |= set(re.findall(r'note\(letter, "(\w+)"', code))
    assert {"received", "revealed", "repeat_waiting", "retry_requested", "resolved"} <= entries
    assert {f"timeline.{entry}" for entry in entries} - keys == set()
    steps = set(re.findall(r'"?step"?[=:] ?"(\w+)"', code)) | {RECORD_ANSWER}
    assert {"submit", "send", "fetch", "publish", "schedule", "read", "record_answer"} <= steps
    assert {f"step.{step}" for step in steps} <= keys


def test_every_problem_of_the_operators_api_is_translated() -> None:
    api = ROOT / "layers" / "leadbridge" / "leadbridge" / "api"
    not_for_operators = {"webhooks.py", "browsers.py"}
    code = "".join(path.read_text(encoding="utf-8") for path in api.rglob("*.py") if path.name not in not_for_operators)
    problems = {(slug, int(status)) for status, slug in re.findall(r'Problem\(\s*(\d+),\s*"([a-z-]+)"', code)}
    assert {("conflict", 409), ("unknown-lead", 404), ("busy", 503)} <= problems
    by_status = set(map(int, re.findall(r"case (\d+): return t", (STATIC / "api.js").read_text(encoding="utf-8"))))
    assert {400, 401, 422, 429} <= by_status
    unknown = {slug for slug, status in problems if status < 500 and status not in by_status}
    assert {f"problem.{slug}" for slug in unknown - {"unknown-route"}} <= words("en").keys()
