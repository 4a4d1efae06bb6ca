"""Client of the operators' API: one attempt per call, with limits on time and size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

import typer

from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.local_stack import LocalStack

CONNECT, READ = 5, 40  # seconds; API Gateway's own limit is 29
MAX_ANSWER_BYTES = 16 * 1_048_576  # bytes
MAX_ERRORS = 20
MAY_BE_DONE = " The call may have been executed. Check the state before you repeat it."
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", envvar="LEADBRIDGE_API_URL", help="URL of the API. Default: the local stack."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="LEADBRIDGE_TOKEN",
        help="Your token. Other users of this machine can see it; the environment variable is safer.",
    ),
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with your token; - reads stdin.")]


@dataclass(frozen=True)
class Api:
    """The API's URL and the operator's token."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Api({self.url!r})"

    def get(self, *path: str, **query: str | int | None) -> dict[str, Any]:
        """Call GET and return the JSON. Raises Failure."""
        return self._call("GET", path, query=query)

    def post(self, *path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call POST and return the JSON. Raises Failure; with NO_ANSWER the call may have been executed."""
        return self._call("POST", path, body=body or {})

    def patch(self, *path: str, body: dict[str, Any], **query: str | int | None) -> dict[str, Any]:
        """Call PATCH and return the JSON. Raises Failure; with NO_ANSWER the call may have been executed."""
        return self._call("PATCH", path, query=query, body=body)

    def delete(self, *path: str) -> None:
        """Call DELETE. Raises Failure."""
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: dict[str, str | int | None] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        import time
        from datetime import timedelta

        from leadbridge.domain.errors.partner_errors import PartnerError, Unknown
        from leadbridge.partners.http import Transport
        from leadbridge.runtime.budget import Budget
        from leadbridge.settings.sections import Timeouts

        parameters = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        url = f"{self.url}/{'/'.join(map(_path_segment, path))}{f'?{parameters}' if parameters else ''}"
        timeouts = Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))
        transport = Transport("the API", timeouts, max_answer_bytes=MAX_ANSWER_BYTES)
        budget = Budget(time.monotonic() + CONNECT + READ, reserve=0)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        try:
            answer = transport.call(path[0], method, url, json=body, headers=headers, budget=budget)
        except Unknown as error:
            warning = "" if method == "GET" else MAY_BE_DONE
            text = f"The API at {self.url} did not answer: {error.text}.{warning}"
            raise Failure(Code.NO_ANSWER, text, is_brief=True) from error
        except PartnerError as error:
            cause = error.data.get("cause", error.code)
            raise Failure(Code.NO_ANSWER, f"The API at {self.url} could not be reached ({cause}).") from error
        content = answer.json()
        if answer.status == 204 or (200 <= answer.status < 300 and isinstance(content, dict)):
            return content if isinstance(content, dict) else {}
        raise _failure(answer.status, content if isinstance(content, dict) else {}, is_read=method == "GET")


def resolve_api(api_url: ApiUrl = None, token: Token = None, token_file: TokenFile = None) -> Api:
    """Return the API that the options name, else the local stack's. A token is only sent to a URL given with it."""
    if token_file is not None:
        token = _token_in(token_file)
    if api_url is None and token is None:
        stack = LocalStack.found()
        if stack is None:
            raise usage_error(
                "No local stack is running. Set --api-url and a token (LEADBRIDGE_API_URL, LEADBRIDGE_TOKEN)."
            )
        return Api(stack.api_url.rstrip("/"), stack.operator_token)
    if not api_url or not token:
        raise usage_error("Set both --api-url and a token (LEADBRIDGE_API_URL, LEADBRIDGE_TOKEN).")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise usage_error("The token is not valid: a token is printable ASCII without spaces.")
    return Api(validate_url(api_url, "--api-url").rstrip("/"), token)


def validate_url(url: str, name: str) -> str:
    """Return the URL if it is https, or http to this machine. Raises Failure."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port  # accessing them validates them
    except ValueError:
        raise usage_error(f"{name} is not a URL.") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None or not url.isprintable():
        raise usage_error(f"{name} is not a URL such as https://example.com/v1.")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise usage_error(f"{name} must begin with https://, because secrets are sent to it.")
    return url


def _token_in(file: Path) -> str:
    text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return text.strip()


def _path_segment(text: str) -> str:
    """Return a quoted path segment. Raises Failure for `.` and `..`, which would change the path."""
    if text.strip(".") == "":
        raise not_found(f"Not found: {text!r}.")
    return quote(text.encode(errors="replace"), safe="")


def _failure(status: int, problem: dict[str, Any], *, is_read: bool) -> Failure:
    code, is_brief = Code.REFUSED, status == 429 or status >= 500
    text = str(problem.get("detail") or problem.get("title") or problem.get("message") or "The API gives no reason.")
    match status:
        case 400 | 422:
            code = Code.USAGE
        case 401:
            text = "The token is not valid."
        case 403:
            text = "The API does not have this route. Check its URL."
        case 404:
            code = Code.NOT_FOUND
        case 409:
            code = Code.CONFLICT
            if str(problem.get("type")).endswith(":needs-confirmation"):
                text += " Add --even-if-twice to confirm."
        case 429:
            code, text = Code.NO_ANSWER, "Too many requests. Try again in a few seconds."
        case 503 if str(problem.get("type")).endswith((":partner-unavailable", ":not-ready")):
            code = Code.NO_ANSWER
        case 503 if str(problem.get("type")).endswith(":busy"):
            code = Code.NO_ANSWER
            text += "" if is_read else MAY_BE_DONE
        case 502 | 503 | 504:
            code = Code.NO_ANSWER
            text = "The API did not answer in time." + ("" if is_read else MAY_BE_DONE)
    errors = problem.get("errors")
    details = [
        f"{each.get('field') or 'body'} {each.get('message')}"
        for each in (errors if isinstance(errors, list) else [])[:MAX_ERRORS]
        if isinstance(each, dict)
    ]
    return Failure(code, f"{text} {'; '.join(details)}".strip() + f" (HTTP {status})", is_brief=is_brief)
