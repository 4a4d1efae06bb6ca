"""The surname by which a lead is found: one key for each spelling that people use for the same name."""

from __future__ import annotations

import re

from leadbridge.domain.fields.names import split_full_name
from leadbridge.domain.fields.unicode_text import fold

MAX_WORDS = 4  # of a name that is searched; each run of them may be the surname

# Letters that the same name is written with, in either language or without the right keyboard.
_SAME_LETTERS = str.maketrans({"ё": "е", "ґ": "г", "’": "'", "ʼ": "'", "`": "'", "‘": "'"})
_NOT_A_LETTER = re.compile(r"[\W\d_]+")
# Endings of surnames that given names do not have. They decide the order of a name of two words.
_SURNAME = re.compile(
    r"\w{2,}(?:енко|ченко|ко|чук|юк|ук|як|ський|ська|цький|цька|зький|зька|ський|ская|ский|цкий|цкая|ов|ова|ев|ева|єв|єва"
    r"|їв|ин|ина|ін|іна|ишин|ець|enko|chuk|iuk|yuk|uk|skyi|skyy|skiy|sky|ska|skaya|tskyi|ov|ova|ev|eva|iv|yshyn|ets)"
)
# Given names that end like a surname.
_GIVEN = re.compile(
    "марко|данко|левко|юрко|марина|ірина|ирина|катерина|екатерина|галина|христина|кристина|карина|аліна|алина|поліна"
    "|полина|ніна|нина|антоніна|антонина|валентина|арина|зарина|сабіна|сабина|ангеліна|ангелина|ева|єва|лев|валентин"
    "|костянтин|константин|мартин|августин|яків|яков|marko|yakiv|eva|lev|maryna|iryna"
)


def surname_of(full_name: str | None, last_name: str | None) -> str | None:
    """Return the surname of a person; None without a name.

    Of a full name of two words it is the one with the ending of a surname, else the second.
    """
    if last_name or not full_name:
        return last_name or None
    words = full_name.split()
    if len(words) == 2 and "," not in full_name:
        first, second = (_looks_like_surname(word) for word in words)
        return words[0] if first and not second else words[1]
    parts = split_full_name(full_name)
    return parts.last or parts.first or None


def name_key(name: str | None) -> str:
    """Return what is hashed of a name: its letters, without case, hyphens, apostrophes and spaces."""
    return _NOT_A_LETTER.sub("", _folded(name or ""))


def possible_surnames(name: str) -> tuple[str, ...]:
    """Return the keys of every run of words of a name: each may be the surname. Empty if there are too many words."""
    words = [key for word in name.replace(",", " ").split() if (key := name_key(word))]
    if not 0 < len(words) <= MAX_WORDS:
        return ()
    runs = ["".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
    return tuple(dict.fromkeys(runs))


def has_words(full_name: str | None, name: str) -> bool:
    """Return whether each word of `name` begins a word of a full name, or is a part of it with a hyphen."""
    own = [key for word in re.split(r"[\s,]+", full_name or "") if (key := name_key(word))]
    own += [key for word in re.split(r"[\s,\-]+", full_name or "") if (key := name_key(word))]
    wanted = (key for word in re.split(r"[\s,]+", name) if (key := name_key(word)))
    return all(any(one.startswith(word) for one in own) for word in wanted)


def _folded(text: str) -> str:
    return fold(text).translate(_SAME_LETTERS)


def _looks_like_surname(word: str) -> bool:
    folded = _folded(word)
    return _GIVEN.fullmatch(folded) is None and _SURNAME.fullmatch(name_key(word)) is not None
