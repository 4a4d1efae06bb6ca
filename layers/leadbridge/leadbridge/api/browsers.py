"""Posts from web pages: allowed origins (CORS), and redirects to the pages after a post."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from leadbridge.api.problems import Problem, Response
from leadbridge.settings import Source
from leadbridge.settings.browsers import ANY_PORT

PREFLIGHT_MAX_AGE = 3600  # seconds
_PORT = re.compile(r":[1-9][0-9]{0,4}\Z")


@dataclass(frozen=True)
class Visitor:
    """The sender of a post, perhaps a browser.

    `origin` is the page's site, if the source allows it; `is_foreign`: the source does not allow it. `navigates`: the
    browser displays the response as a page.
    """

    source: Source | None = None
    origin: str | None = None
    is_foreign: bool = False
    navigates: bool = False

    @classmethod
    def of(cls, event: dict[str, Any], source: Source | None) -> Visitor:
        """Read the sender from a gateway proxy event."""
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        origin = headers.get("origin")
        if source is None or not source.origins or origin is None:
            return cls(source, navigates=_navigates(headers))
        allowed = any(_matches(origin, one) for one in source.origins)
        return cls(source, origin if allowed else None, not allowed, _navigates(headers))

    def preflight(self) -> Response:
        """Return the response to a preflight request."""
        if self.origin is None:
            return foreign_origin().response()
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type, X-Webhook-Token",
            "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE),
        }
        return self._with_cors({"statusCode": 204, "headers": headers, "body": ""})

    def accepted(self, response: Response) -> Response:
        """Return the response to an accepted post: this one, or a redirect to the thank-you page."""
        page = self._page(self.source.thank_you) if self.source else None
        return self._with_cors(_redirect(page) if page else response)

    def rejected(self, problem: Problem) -> Response:
        """Return the response to a rejected post: the problem, or a redirect to the page for another attempt.

        The redirect has the names of the invalid fields, or else the problem's type, as a parameter.
        """
        page = self._page(self.source.try_again) if self.source else None
        if page is None:
            return self._with_cors(problem.response())
        fields = ",".join(error.field for error in problem.errors)
        return self._with_cors(
            _redirect(_with_query(page, {"fields": fields} if fields else {"problem": problem.slug}))
        )

    def _page(self, address: str | None) -> str | None:
        """Return the page to redirect to, None for no redirect. It is configured, and never taken from the request.

        On a developer's machine the page has the port of the page that posts.
        """
        if address is None or not self.navigates or self.is_foreign:
            return None
        if ANY_PORT not in address:
            return address
        port = _PORT.search(self.origin or "")
        return address.replace(ANY_PORT, port[0], 1) if port else None

    def _with_cors(self, response: Response) -> Response:
        """Add the headers that let the page's script read the response."""
        if self.origin is None:
            return response
        cors = {"Access-Control-Allow-Origin": self.origin, "Vary": "Origin"}
        return {**response, "headers": {**response["headers"], **cors}}


def foreign_origin() -> Problem:
    """Return the problem for a page of a site that may not post to the source."""
    detail = "Pages of this site may not post to this source."
    return Problem(403, "origin-not-allowed", "Origin not allowed", detail)


def _matches(origin: str, allowed: str) -> bool:
    if not allowed.endswith(ANY_PORT):
        return origin == allowed
    port = _PORT.search(origin)
    return port is not None and origin == f"{allowed.removesuffix(ANY_PORT)}{port[0]}"


def _navigates(headers: dict[str, str]) -> bool:
    """Return whether the browser expects a page: by Sec-Fetch-Mode, or by Accept for older browsers."""
    mode = headers.get("sec-fetch-mode")
    if (mode is not None and mode != "navigate") or "x-requested-with" in headers:
        return False
    kinds = (kind.partition(";")[0].strip().lower() for kind in headers.get("accept", "").split(","))
    return "text/html" in kinds


def _redirect(page: str) -> Response:
    """Redirect with GET."""
    return {"statusCode": 303, "headers": {"Location": page, "Cache-Control": "no-store"}, "body": ""}


def _with_query(page: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(page)
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(parameters, safe=","))))).geturl()
