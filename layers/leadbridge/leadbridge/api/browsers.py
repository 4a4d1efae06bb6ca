"""Pages that post by themselves: whose page it is, what a browser may tell it, and where its visitor goes then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from leadbridge.api.problems import Problem, Response
from leadbridge.settings import Source
from leadbridge.settings.browsers import ANY_PORT

PREFLIGHT_HOLDS = 3600  # seconds
_PORT = re.compile(r":[1-9][0-9]{0,4}\Z")


@dataclass(frozen=True)
class Visitor:
    """Whoever posts to a source: perhaps a browser.

    `origin` is the site of the page that posts, if the source allows it; `is_foreign` says that it does not. Who
    `navigates` is shown the answer itself, as a page.
    """

    source: Source | None = None
    origin: str | None = None
    is_foreign: bool = False
    navigates: bool = False

    @classmethod
    def of(cls, event: dict[str, Any], source: Source | None) -> Visitor:
        """Who sent the gateway's proxy event."""
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        origin = headers.get("origin")
        if source is None or not source.origins or origin is None:
            return cls(source, navigates=_navigates(headers))
        allowed = any(_is(origin, one) for one in source.origins)
        return cls(source, origin if allowed else None, not allowed, _navigates(headers))

    def preflight(self) -> Response:
        """The answer to a browser that asks before it posts."""
        if self.origin is None:
            return foreign().response()
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type, X-Webhook-Token",
            "Access-Control-Max-Age": str(PREFLIGHT_HOLDS),
        }
        return self._told({"statusCode": 204, "headers": headers, "body": ""})

    def taken(self, response: Response) -> Response:
        """The answer to a post that was taken: this one, or the way to the page that thanks."""
        page = self._page(self.source.thank_you) if self.source else None
        return self._told(_see(page) if page else response)

    def refused(self, problem: Problem) -> Response:
        """The answer to a post that was not: the problem, or the way to the page that asks to try again.

        That page hears the names of the fields that are wrong, or else the kind of the problem.
        """
        page = self._page(self.source.try_again) if self.source else None
        if page is None:
            return self._told(problem.response())
        fields = ",".join(error.field for error in problem.errors)
        return self._told(_see(_asking(page, {"fields": fields} if fields else {"problem": problem.slug})))

    def _page(self, address: str | None) -> str | None:
        """Where the browser is to go, if it is to go anywhere: the configured page, never one that it names itself.

        On a developer's machine the page is on whatever port the allowed page that posts is on.
        """
        if address is None or not self.navigates or self.is_foreign:
            return None
        if ANY_PORT not in address:
            return address
        port = _PORT.search(self.origin or "")
        return address.replace(ANY_PORT, port[0], 1) if port else None

    def _told(self, response: Response) -> Response:
        """The answer with what lets the page's own script read it."""
        if self.origin is None:
            return response
        cors = {"Access-Control-Allow-Origin": self.origin, "Vary": "Origin"}
        return {**response, "headers": {**response["headers"], **cors}}


def foreign() -> Problem:
    """A page of a site that may not post to this source."""
    detail = "Pages of this site may not post to this source."
    return Problem(403, "origin-not-allowed", "Origin not allowed", detail)


def _is(origin: str, allowed: str) -> bool:
    if not allowed.endswith(ANY_PORT):
        return origin == allowed
    port = _PORT.search(origin)
    return port is not None and origin == f"{allowed.removesuffix(ANY_PORT)}{port[0]}"


def _navigates(headers: dict[str, str]) -> bool:
    """Whether a page is wanted: browsers of today say so, of older ones it is known by what else they would take."""
    mode = headers.get("sec-fetch-mode")
    if (mode is not None and mode != "navigate") or "x-requested-with" in headers:
        return False
    kinds = (kind.partition(";")[0].strip().lower() for kind in headers.get("accept", "").split(","))
    return "text/html" in kinds


def _see(page: str) -> Response:
    """Go there, with GET."""
    return {"statusCode": 303, "headers": {"Location": page, "Cache-Control": "no-store"}, "body": ""}


def _asking(page: str, question: dict[str, str]) -> str:
    parts = urlsplit(page)
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(question, safe=","))))).geturl()
