"""The operators' console, GET /console: a page, its styles, scripts and words, served as they lie in static/.

Everybody may have them, for they hold nothing: whatever the page shows it gets from the operator's routes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.api.problems import Problem, Response, unexpected
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.warmup import warm_up

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
# What names another of these files: an attribute of the page, an import of a script.
NAMED = re.compile(r'((?:src|href)="console/|from "\./|import "\./)([\w.-]+)"')


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    kind: str
    text: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """All files by name; where one names another, the name carries the version of them all.

    So a browser keeps what it has for ever, and never mixes the files of two versions.
    """
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.iterdir()) if path.suffix in KINDS}
    release = version()
    found = {}
    for name, text in files.items():
        stamped = NAMED.sub(rf'\g<1>\g<2>?v={release}"', text)
        digest = hashlib.sha256(stamped.encode()).hexdigest()[:16]
        found[name] = Asset(KINDS[Path(name).suffix], stamped, f'"{digest}"')
    return found


@cache
def version() -> str:
    """What changes when any of the files does."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Gateway proxy event in, proxy response out."""
    count("ConsoleRequests")
    try:
        return sent(event)
    except Problem as problem:
        return problem.response()
    except Exception:  # the outermost edge
        logger.exception("could not answer")
        return unexpected()


def sent(event: dict[str, Any]) -> Response:
    """The page, or the file that the path names. Raises Problem."""
    name = (event.get("pathParameters") or {}).get("file") or PAGE
    asset = assets().get(name)
    if asset is None:
        raise Problem(404, "unknown-file", "Unknown file", "The console has no such file.")
    is_of_this_version = (event.get("queryStringParameters") or {}).get("v") == version()
    headers = {
        **HEADERS,
        "Content-Type": asset.kind,
        "Cache-Control": FOREVER if is_of_this_version else ASK_EACH_TIME,
        "ETag": asset.etag,
    }
    is_known = asset.etag in known_by_browser(event)
    logger.info("served", file=name, known=is_known)
    return {"statusCode": 304 if is_known else 200, "headers": headers, "body": "" if is_known else asset.text}


def known_by_browser(event: dict[str, Any]) -> set[str]:
    """The ETags of what the browser has already; a gateway that compresses marks them as weak."""
    given = {name.lower(): value for name, value in (event.get("headers") or {}).items()}.get("if-none-match") or ""
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


warm_up(assets)
