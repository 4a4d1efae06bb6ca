"""Which English words the console's Ukrainian and Russian texts may have."""

import re

LATIN = re.compile(r"[a-zA-Z]{2,}")
COMMAND = re.compile(r"leadbridge(?: [a-z-]+)+")


def latin_words(text: str) -> set[str]:
    """Return the words of a text in Latin letters, but of commands only their name."""
    return set(LATIN.findall(COMMAND.sub("leadbridge", text)))


# Products, formats, abbreviations, keys of a secret and of a lead, and the name of a section of the runbook.
NAMES = latin_words(
    "Meta Leeloo Match-Trade Excel CSV JSON UUID ID IP URL UTM HTTP https GMT UTC Europe Kyiv "
    "offers form runbook Partner misconfigured leadbridge"
)
