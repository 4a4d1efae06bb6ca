"""GET /console: serve the operators' console, the files in static/.

They are public and contain no data: the page reads all data from the operators' routes.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from leadbridge.runtime.warmup import warm_up
from leadbridge.api.problems import Problem, Response, internal
from leadbridge.runtime.logs import count, logger, metrics

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
CACHE_FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
# References to other files: attributes of the page, imports of a script.
REFERENCE = re.compile(r'((?:src|href)="console/|from "\./|import "\./)([\w.-]+)"')


class Asset(NamedTuple):
    """A file with its headers."""

    kind: str
    text: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return all files by name. References to files get the version of all files as a parameter.

    So a browser can cache files permanently, and never mixes files of two versions.
    """
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.iterdir()) if path.suffix in KINDS}
    release = version()
    found = {}
    for name, text in files.items():
        versioned = REFERENCE.sub(rf'\g<1>\g<2>?v={release}"', text)
        digest = hashlib.sha256(versioned.encode()).hexdigest()[:16]
        found[name] = Asset(KINDS[Path(name).suffix], versioned, f'"{digest}"')
    return found


@cache
def version() -> str:
    """Return a hash of all files."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Answer a gateway proxy event."""
    count("ConsoleRequests")
    try:
        return serve(event)
    except Problem as problem:
        return problem.response()
    except Exception:  # the outermost edge
        logger.exception("the request failed")
        return internal().response()


def serve(event: dict[str, Any]) -> Response:
    """Return the page, or the file in the path. Raises Problem."""
    name = (event.get("pathParameters") or {}).get("file") or PAGE
    asset = assets().get(name)
    if asset is None:
        raise Problem(404, "unknown-file", "Unknown file", "The console has no such file.")
    is_current = (event.get("queryStringParameters") or {}).get("v") == version()
    headers = {
        **HEADERS,
        "Content-Type": asset.kind,
        "Cache-Control": CACHE_FOREVER if is_current else REVALIDATE,
        "ETag": asset.etag,
    }
    is_cached = asset.etag in cached_etags(event)
    logger.info("served", file=name, cached=is_cached)
    return {"statusCode": 304 if is_cached else 200, "headers": headers, "body": "" if is_cached else asset.text}


def cached_etags(event: dict[str, Any]) -> set[str]:
    """Return the ETags in If-None-Match. A gateway that compresses marks them as weak (`W/`)."""
    given = {name.lower(): value for name, value in (event.get("headers") or {}).items()}.get("if-none-match") or ""
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


warm_up(assets)
