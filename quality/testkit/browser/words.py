"""The console's texts, and which English words the Ukrainian and Russian ones may have."""

import re

from quality.testkit.template import ROOT

STATIC = ROOT / "functions" / "serve_console" / "static"

LATIN = re.compile(r"[a-zA-Z]{2,}")
COMMAND = re.compile(r"leadbridge(?: [a-z-]+)+")


def words(language: str) -> dict[str, str]:
    """Return the texts of a language by key, as they are written."""
    text = (STATIC / f"words.{language}.js").read_text(encoding="utf-8")
    found = re.findall(r'^  (?:"([\w.-]+)"|(\w+)): (.*),$', text, re.MULTILINE)
    texts = {key or bare: rest for key, bare, rest in found}
    assert len(texts) == len(found), "a key has two texts"
    return texts


def latin_words(text: str) -> set[str]:
    """Return the words of a text in Latin letters, but of commands only their name."""
    return set(LATIN.findall(COMMAND.sub("leadbridge", text)))


# Products, formats, abbreviations, keys of a secret and of a lead, and the name of a section of the runbook.
NAMES = latin_words(
    "Meta Leeloo Match-Trade Excel CSV JSON UUID ID IP URL UTM HTTP https GMT UTC Europe Kyiv "
    "offers form runbook Partner misconfigured leadbridge"
)
