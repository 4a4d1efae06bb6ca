"""Names, comments, docstrings and texts use the standard words of the field, not the old dialect of this project."""

import ast
import io
import json
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from quality.testkit.template import ROOT

# Each expression with what to write instead. They match whole words, in any case.
PROSE = {
    r"anew": "again, or say what is repeated",
    r"who(?:so)?ever": "anyone who",
    r"whom": "rephrase the sentence with 'who'",
    r"what(?:ever)? (?:came|comes|has come|becomes|became) of": "the result of",
    r"hears?|heard": "receives, is notified of",
    r"(?:told|tells?|telling) of": "reports, notifies",
    r"rings?|ringing|rang": "triggers, is in ALARM",
    r"mend(?:s|ed|ing)?": "fix",
    r"nobody(?:'s)?": "no one",
    r"(?:comes?|came|coming) again": "is retried, is received again",
    r"by (?:itself|themselves)": "automatically, alone",
    r"on (?:its|their) way": "in transit, pending, in progress",
    r"what is left": "the rest, the remainder",
    r"the books": "the records, the reconciliation",
    r"dead or alive": "any state",
    r"surely": "definitely",
    r"all the same": "anyway",
    r"is believed": "is trusted",
    r"laid to": "attributed to",
    r"of (?:its|their) own accord": "without a request",
    r"for good(?=[.,;:)!])": "permanently",
}
# The parts of an identifier, and sequences of parts: `nothing_told` has the parts `nothing` and `told`.
NAMES = (
    "anew",
    "whoever",
    "whom",
    "hear",
    "hears",
    "heard",
    "told",
    "untold",
    "ring",
    "rings",
    "mend",
    "mends",
    "mended",
    "nobody",
    "surely",
    "came of",
    "come again",
    "comes again",
    "by itself",
    "on its way",
    "is left",
)
PAUSE = r"[\s#]+"  # a phrase may continue on the next line of a paragraph or of a comment
PHRASES = re.compile(
    "|".join(rf"(?P<_{number}>\b(?:{one})\b)" for number, one in enumerate(PROSE)).replace(" ", PAUSE), re.IGNORECASE
)
ANY_PHRASE = re.compile(rf"\b(?:{'|'.join(PROSE)})\b".replace(" ", PAUSE), re.IGNORECASE)  # without groups: much faster
INSTEAD = list(PROSE.values())
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
DEFINED = re.compile(r"^ *(?:async )?(?:def|class) (\w+)", re.MULTILINE)
WORDS = re.compile(r"\w+")
IN_PARTS = re.compile(r"""["']\s+[a-zA-Z]?["']""")
NAME_PARTS = re.compile(rf"\b({'|'.join(NAMES)})\b")

PYTHON_FOLDERS = ("layers", "functions", "cli", "devstack", "infra", "tools", "quality", "events")
TEXTS = {
    "docs": ("*.md", "docs/**/*.md", "docs/openapi.json", "devstack/sandbox/*.md", ".github/**/*.md"),
    "template": ("*.yaml", "infra/**/*.yaml", ".github/**/*.yml", "samconfig.toml"),
    "make": ("Makefile", "layers/**/Makefile", "pyproject.toml", ".ci/run"),
    "config": ("config/*.toml", "quality/**/*.toml", "tools/**/*.toml"),
    "console": ("functions/serve_console/static/words.en.js",),
}
AREAS = (*PYTHON_FOLDERS, *TEXTS)
# What must be written as it is: (file, words), with the reason.
EXCEPTIONS = {
    ("quality/testkit/sam_local/expected.py", "nobody"): "the principal in the policy of a refused request",
}


@dataclass(frozen=True)
class Finding:
    """A word of the dialect, and where it is."""

    file: Path
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.word!r}; write: {self.instead}"


def in_text(text: str) -> Iterator[tuple[int, str, str]]:
    """The words of the dialect in a text: offset of the line, word, what to write instead."""
    for found in PHRASES.finditer(text) if ANY_PHRASE.search(text) else ():
        instead = INSTEAD[int(str(found.lastgroup)[1:])]
        yield text.count("\n", 0, found.start()), " ".join(found[0].split()), instead


@cache
def in_name(name: str) -> tuple[str, ...]:
    """The words of the dialect in an identifier."""
    parts = " ".join(part.lower() for part in PARTS.findall(name))
    return tuple(NAME_PARTS.findall(parts))


def in_python(file: Path) -> Iterator[Finding]:
    """The findings in identifiers, comments, docstrings and texts of a module."""
    source = file.read_text(encoding="utf-8")
    # A module with no such word in any place has none in a name or a comment. Its tokens take long to read.
    is_suspect = ANY_PHRASE.search(source) or any(map(in_name, set(WORDS.findall(source))))
    for token in tokenize.generate_tokens(io.StringIO(source).readline) if is_suspect else ():
        line = token.start[0]
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield from (
                Finding(file, line, word, f"another name than {token.string}") for word in in_name(token.string)
            )
        elif token.type == tokenize.COMMENT:
            yield from (Finding(file, line + offset, *rest) for offset, *rest in in_text(token.string))
    # Without such a word and without a text in two parts, which could make one together, no text has one.
    for node in ast.walk(ast.parse(source)) if is_suspect or IN_PARTS.search(source) else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield from (Finding(file, node.lineno + offset, *rest) for offset, *rest in in_text(node.value))


def in_file(file: Path) -> Iterator[Finding]:
    """The findings in a text file."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    yield from (Finding(file, line + 1, *rest) for line, *rest in in_text(text))


@cache
def findings(area: str) -> list[Finding]:
    """All findings of an area, without the exceptions."""
    if area in TEXTS:
        files = sorted({file for pattern in TEXTS[area] for file in ROOT.glob(pattern)})
        found = [finding for file in files for finding in in_file(file)]
    else:
        found = [finding for file in sorted((ROOT / area).rglob("*.py")) for finding in in_python(file)]
    return [one for one in found if (str(one.file.relative_to(ROOT)), one.word.lower()) not in EXCEPTIONS]


@pytest.mark.parametrize("area", AREAS)
def test_area_is_written_in_plain_technical_english(area: str) -> None:
    assert [str(finding) for finding in findings(area)] == []


def test_names_of_tests_are_in_plain_technical_english() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for name in DEFINED.findall(file.read_text(encoding="utf-8"))
        if in_name(name)
    ]
    assert found == []


def test_exceptions_are_used_and_have_a_reason() -> None:
    for (name, word), reason in EXCEPTIONS.items():
        assert reason
        assert word in (ROOT / name).read_text(encoding="utf-8").lower(), (name, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The alarm rings.", "rings"),
        ("whoever hears of it", "whoever"),
        ("A message that comes again", "comes again"),
        ("What came of it", "What came of"),
        ("It starts by itself", "by itself"),
        ("gone for good.", "for good"),
    ],
)
def test_dialect_in_a_text_is_found(text: str, word: str) -> None:
    assert next(found for _, found, _ in in_text(text)) == word


@pytest.mark.parametrize("text", ["a string", "for good leads", "recommended", "It is retried.", "No one is notified."])
def test_plain_text_passes(text: str) -> None:
    assert list(in_text(text)) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing_told", ["told"]),
        ("Told", ["told"]),
        ("comesAgain", ["comes again"]),
        ("UNTOLD", ["untold"]),
        ("string", []),
        ("RecommendedRing", ["ring"]),
        ("HTTPAnew", ["anew"]),
    ],
)
def test_dialect_in_a_name_is_found(name: str, words: list[str]) -> None:
    assert list(in_name(name)) == words


def test_phrase_of_two_literals_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('TEXT = (\n    "A lead that comes "\n    f"again."\n)\n')
    assert [finding.word for finding in in_python(module)] == ["comes again"]


def test_phrase_over_two_lines_is_found() -> None:
    assert list(in_text("# A lead\n# that comes\n# again.")) == [(1, "comes # again", "is retried, is received again")]
