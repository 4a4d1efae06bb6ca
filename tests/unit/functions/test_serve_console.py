"""The console as it is served: whole, small, kept by browsers, with nothing in it that could be turned against us."""

import gzip
import re
from collections.abc import Callable
from graphlib import CycleError
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from leadbridge.runtime import console_files
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
