"""The documentation as its readers meet it: pages, blocks of code, commands, links."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner
from markdown_it import MarkdownIt
from markdown_it.token import Token

from quality.testkit.template import ROOT

COMMUNITY = [ROOT / f"{name}.md" for name in ("CODE_OF_CONDUCT", "CONTRIBUTING", "SECURITY")]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "devstack" / "sandbox" / "README.md", *COMMUNITY, *(ROOT / "docs").rglob("*.md")]
)
SHELL = {"sh", "bash", "shell", "console"}
# What begins a command, wherever it stands: in a block of a shell, in one of no language, or within a sentence.
PROGRAMS = {"make", "leadbridge", "aws", "sam", "python", "uv", "curl", "git", "docker"}
WORDS_OF_THE_SHELL = {"for", "while", "if", "done", "fi", "esac", "export"}
OPENING = {"do", "then", "else"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
PUNCTUATION = ";|&()<>"


@dataclass(frozen=True)
class Block:
    """A block of code: its language, empty if none is said."""

    page: Path
    language: str
    text: str

    @property
    def is_shell(self) -> bool:
        """Whether it is there to be typed."""
        return self.language in SHELL or (not self.language and _begins_a_command(self.text))


@dataclass(frozen=True)
class Command:
    """One command. One that is only mentioned in a sentence may lack what it takes."""

    page: Path
    words: tuple[str, ...]
    is_whole: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"


@cache
def tokens(page: Path) -> list[Token]:
    """All of a page's tokens, with those inside of texts."""
    return list(_flat(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))))


def blocks() -> list[Block]:
    """Every block of code of every page."""
    return [
        Block(page, token.info.strip(), token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type in {"fence", "code_block"}
    ]


def commands() -> list[Command]:
    """Every command of every page, each once."""
    in_blocks = [
        Command(block.page, tuple(words), is_whole=True)
        for block in blocks()
        if block.is_shell
        for words in commands_of(block.text)
    ]
    mentioned = [
        Command(page, tuple(shlex.split(token.content)), is_whole=False)
        for page in PAGES
        for token in tokens(page)
        if token.type == "code_inline" and _begins_a_command(token.content)
    ]
    return list(dict.fromkeys([*in_blocks, *mentioned]))


def commands_of(script: str) -> Iterator[list[str]]:
    """The simple commands of a script, those within others first, without assignments and the shell's own words."""
    script, inner = _without_substitutions(script.replace("\\\n", " "))
    for each in inner:
        yield from commands_of(each)
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=PUNCTUATION)
        lexer.whitespace_split = True
        words: list[str] = []
        is_file = False  # whether the word is the file of a redirection
        for word in [*lexer, ";"]:
            if is_file:
                is_file = False
            elif set(word) <= set("<>"):
                is_file = True
            elif set(word) <= set(PUNCTUATION):
                yield from _simple(words)
                words = []
            else:
                words.append(word)


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: Counter[str] = Counter()
    anchors = set()
    for before, token in pairwise(tokens(page)):
        if before.type == "heading_open":
            text = "".join(child.content for child in token.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            anchors.add(f"{slug}-{found[slug]}" if found[slug] else slug)
            found[slug] += 1
    return anchors


def links(page: Path) -> list[str]:
    """Where a page's links and pictures point to."""
    return [str(token.attrs["href" if token.type == "link_open" else "src"]) for token in tokens(page) if _leads(token)]


def schema_problems(schema: str, files: list[str]) -> str:
    """What check-jsonschema finds wrong with files, by a schema that it has; empty if nothing is.

    It runs in this process: its start takes longer than the check.
    """
    result = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, *files])
    return "" if result.exit_code == 0 else result.output or repr(result.exception)


def program_of(word: str) -> str:
    """What is run: python for .venv/bin/python."""
    return word.rpartition("/")[2] if word.startswith(".venv/bin/") else word


def _leads(token: Token) -> bool:
    return token.type in {"link_open", "image"}


def _begins_a_command(text: str) -> bool:
    first, *_ = [*text.split(), ""]
    return program_of(first) in PROGRAMS


def _simple(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in OPENING or ASSIGNMENT.fullmatch(words[0])):
        words = words[1:]
    if words and words[0] not in WORDS_OF_THE_SHELL:
        yield words


def _without_substitutions(script: str) -> tuple[str, list[str]]:
    """A script with a word for each `$(…)`, and what stood in them."""
    inner: list[str] = []
    while (start := script.find("$(")) >= 0:
        depth, end = 1, start + 2
        while depth:
            depth += {"(": 1, ")": -1}.get(script[end], 0)
            end += 1
        inner.append(script[start + 2 : end - 1])
        script = f"{script[:start]}SUBSTITUTED{script[end:]}"
    return script, inner


def _flat(of: list[Token]) -> Iterator[Token]:
    for token in of:
        yield token
        yield from _flat(token.children or [])
