"""The files of the console, and the bundle that a browser loads: all scripts, one language and the styles in one file.

A browser needs two requests, one after the other: the page and its bundle. So one instance of the function serves
both. The scripts are ES modules; a bundle puts each into a function of its own, so their names cannot collide.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

PAGE = "index.html"
ENTRY = "app.js"
ICON = "icon.svg"
STYLES = ("base.css", "views.css")
LANGUAGES = ("en", "uk", "ru")  # the first one is that of other languages' speakers
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# The forms of imports and exports that a script may use. None of them can change an exported name later.
IMPORT = re.compile(r'^import \{([^{}]*)\} from "\./([\w.-]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
OTHER_FORM = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
# A reference to a file that is loaded later.
LATE = re.compile(r'"console/([\w.-]+)"')


class Asset(NamedTuple):
    """A file with its headers."""

    kind: str
    text: str
    etag: str


class ConsoleFiles:
    """The files of a folder, and for each language a page and a bundle, which are made on first use.

    References contain the version of all files, so a browser can keep files permanently, and never mixes two versions.
    """

    def __init__(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.iterdir()) if path.suffix in KINDS]
        self._files = {path.name: path.read_text(encoding="utf-8") for path in paths}
        self._assets: dict[str, Asset] = {}
        self.version = hashlib.sha256("\0".join(self._files.values()).encode()).hexdigest()[:12]

    def find(self, name: str) -> Asset | None:
        """Return a file as it is served; None if there is none. Raises ValueError if a script cannot be bundled."""
        if name not in self._names:
            return None
        if name not in self._assets:
            text = LATE.sub(rf'"console/\1?v={self.version}"', self._text(name))
            etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
            self._assets[name] = Asset(KINDS[Path(name).suffix], text, etag)
        return self._assets[name]

    @cached_property
    def _names(self) -> set[str]:
        made = {name_of(language) for language in LANGUAGES for name_of in (bundle_name, page_name)}
        return (self._files.keys() - {PAGE}) | made

    @cached_property
    def _shared_part(self) -> str:
        return shared_part(self._files)

    def _text(self, name: str) -> str:
        if name in self._files:
            return self._files[name]
        language = name.split(".")[1]
        if name == bundle_name(language):
            return self._shared_part + last_part(self._files, language)
        icon = f"data:{KINDS['.svg']},{quote(self._files[ICON])}"
        return self._files[PAGE].replace(f"console/{ICON}", icon).replace(ENTRY, bundle_name(language))


def bundle_name(language: str) -> str:
    """Return the name of a language's bundle."""
    return f"{Path(ENTRY).stem}.{language}.js"


def page_name(language: str) -> str:
    """Return the name of the page that loads a language's bundle."""
    return f"{Path(PAGE).stem}.{language}.html"


def preferred_language(accepted: str) -> str:
    """Return the first language of an Accept-Language header that there is. A browser sorts them by preference."""
    tags = (tag.strip()[:2].lower() for tag in accepted[:200].split(","))
    return next((tag for tag in tags if tag in LANGUAGES), LANGUAGES[0])


def shared_part(files: dict[str, str]) -> str:
    """Return what all bundles begin with: the styles and the scripts that the entry needs, each after its imports."""
    needs: dict[str, set[str]] = {}
    pending = [ENTRY]
    while pending:
        name = pending.pop()
        if name not in needs:
            needs[name] = {found for _, found in IMPORT.findall(files[name])}
            pending += needs[name]
    names = [name for name in TopologicalSorter(needs).static_order() if name != ENTRY]
    return "".join((styles(files), *(wrapped(name, files[name]) for name in names)))


def last_part(files: dict[str, str], language: str) -> str:
    """Return what a language's bundle ends with: its words and the entry."""
    words = files[f"words.{language}.js"].replace("export default ", "const $words = ", 1)
    preload = f'{variable("words.js")}.preload("{language}", $words);'
    return f"{words}{preload}\n// {ENTRY}\n{with_imports(ENTRY, files[ENTRY])}"


def styles(files: dict[str, str]) -> str:
    """Return a script that applies the styles before anything is shown."""
    text = json.dumps("".join(files[name] for name in STYLES), ensure_ascii=False)
    return (
        f"document.adoptedStyleSheets = [new CSSStyleSheet()];\ndocument.adoptedStyleSheets[0].replaceSync({text});\n"
    )


def wrapped(name: str, text: str) -> str:
    """Return a script as a function that is called once and returns the exported values by name."""
    names = [exported for _, exported in EXPORT.findall(text)]
    body = with_imports(name, EXPORT.sub(r"\1 \2", text))
    return f"// {name}\nconst {variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n"


def with_imports(name: str, text: str) -> str:
    """Return a script with its imports as constants. Raises ValueError if it has another form of import or export."""
    text = IMPORT.sub(lambda one: f"const {{{one[1].replace(' as ', ': ')}}} = {variable(one[2])};", text)
    if other := OTHER_FORM.search(text):
        raise ValueError(f"{name}: this form of import or export cannot be bundled: {other[0]}")
    return text


def variable(name: str) -> str:
    """Return the variable of a bundle that holds the exported values of a script."""
    return "$" + re.sub(r"\W", "_", name)
