"""GET /console: serve the operators' console, made of the files in static/.

They are public and contain no data: the page reads all data from the operators' routes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.api.problems import Problem, Response, internal
from leadbridge.runtime.console_files import LANGUAGES, ConsoleFiles, bundle_name, page_name, preferred_language
from leadbridge.runtime.logs import count, logger, metrics

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


@cache
def files() -> ConsoleFiles:
    """Return the files of the console."""
    return ConsoleFiles(Path(__file__).parent / "static")


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
    """Return the page in the browser's language, or the file in the path. Raises Problem."""
    given = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    language = preferred_language(given.get("accept-language") or "")
    name = (event.get("pathParameters") or {}).get("file") or page_name(language)
    asset = files().find(name)
    if asset is None:
        raise Problem(404, "unknown-file", "Unknown file", "The console has no such file.")
    is_current = (event.get("queryStringParameters") or {}).get("v") == files().version
    headers = {
        **HEADERS,
        "Content-Type": asset.kind,
        "Cache-Control": CACHE_FOREVER if is_current else REVALIDATE,
        "ETag": asset.etag,
        "Vary": "Accept-Language",
    }
    is_cached = asset.etag in etags(given.get("if-none-match") or "")
    logger.info("served", file=name, cached=is_cached)
    return {"statusCode": 304 if is_cached else 200, "headers": headers, "body": "" if is_cached else asset.text}


def etags(given: str) -> set[str]:
    """Return the ETags in If-None-Match. A gateway that compresses marks them as weak (`W/`)."""
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


warm_up(lambda: files().find(bundle_name(LANGUAGES[0])))
