"""The operators' API as a command asks it: one try, bounded in time and size, and what its answers mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

import typer

from leadbridge_cli.exit_codes import Code, Failure, not_found, wrong_use
from leadbridge_cli.local_stack import LocalStack

CONNECT, READ = 5, 40  # seconds; the gateway itself gives up after 29
ANSWER_LIMIT = 16 * 1_048_576  # bytes
MAX_ERRORS = 20
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", envvar="LEADBRIDGE_API_URL", help="Where the API is; else the local stack that is up."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="LEADBRIDGE_TOKEN", help="Your token. Others can see it here: better in the variable."
    ),
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="A file that holds your token; - is stdin.")]


@dataclass(frozen=True)
class Api:
    """Where the API is, and who asks."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Api({self.url!r})"

    def get(self, *path: str, **query: str | int | None) -> dict[str, Any]:
        """What a GET answers. Raises Failure."""
        return self._ask("GET", path, query=query)

    def post(self, *path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a POST answers. Raises Failure; code NO_ANSWER where nobody can tell whether it was done."""
        return self._ask("POST", path, body=body or {})

    def delete(self, *path: str) -> None:
        """Raises Failure."""
        self._ask("DELETE", path)

    def _ask(
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

        asked = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        url = f"{self.url}/{'/'.join(map(_segment, path))}{f'?{asked}' if asked else ''}"
        timeouts = Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))
        transport = Transport("the API", timeouts, answer_limit=ANSWER_LIMIT)
        budget = Budget(time.monotonic() + CONNECT + READ, reserve=0)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        try:
            answer = transport.call(path[0], method, url, json=body, headers=headers, budget=budget)
        except Unknown as error:
            doubt = "" if method == "GET" else " It may have been done: look before you repeat it."
            raise Failure(Code.NO_ANSWER, f"The API did not answer: {error.text}.{doubt}") from error
        except PartnerError as error:
            raise Failure(Code.NO_ANSWER, f"The API at {self.url}: {error.text}.") from error
        content = answer.json()
        if answer.status == 204 or (200 <= answer.status < 300 and isinstance(content, dict)):
            return content if isinstance(content, dict) else {}
        raise _failure(answer.status, content if isinstance(content, dict) else {}, is_read=method == "GET")


def api_at(api_url: ApiUrl = None, token: Token = None, token_file: TokenFile = None) -> Api:
    """The API that the options name, else that of the local stack. A token never goes where it does not belong."""
    if token_file is not None:
        token = _token_in(token_file)
    if api_url is None and token is None:
        stack = LocalStack.found()
        if stack is None:
            raise wrong_use(
                "Give --api-url and a token (LEADBRIDGE_API_URL, LEADBRIDGE_TOKEN): no local stack is up here."
            )
        return Api(stack.api_url.rstrip("/"), stack.operator_token)
    if not api_url or not token:
        raise wrong_use("--api-url and a token go together (LEADBRIDGE_API_URL, LEADBRIDGE_TOKEN).")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise wrong_use("The token is none: it is printable ASCII without spaces.")
    return Api(safe_url(api_url, "--api-url").rstrip("/"), token)


def safe_url(url: str, name: str) -> str:
    """The URL, if what is sent there is encrypted or stays on this machine. Raises Failure."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port  # which checks them
    except ValueError:
        raise wrong_use(f"{name} is not a URL.") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None or not url.isprintable():
        raise wrong_use(f"{name} is not a URL such as https://example.com/v1.")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise wrong_use(f"{name} must begin with https://: what goes there is secret.")
    return url


def _token_in(file: Path) -> str:
    text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return text.strip()


def _segment(text: str) -> str:
    """A path segment. Raises Failure for what would be another path."""
    if text.strip(".") == "":
        raise not_found("There is no such thing.")
    return quote(text.encode(errors="replace"), safe="")


def _failure(status: int, problem: dict[str, Any], *, is_read: bool) -> Failure:
    code = Code.REFUSED
    text = str(problem.get("detail") or problem.get("title") or problem.get("message") or "It gives no reason.")
    match status:
        case 400 | 422:
            code = Code.USAGE
        case 401:
            text = "The token was refused."
        case 403:
            text = "The API refused it: is its URL right?"
        case 404:
            code = Code.NOT_FOUND
        case 409:
            code = Code.CONFLICT
        case 429:
            code, text = Code.NO_ANSWER, "The API is asked too much. Please try again."
        case 503 if str(problem.get("type")).endswith(":partner-unavailable"):
            code = Code.NO_ANSWER
        case 502 | 503 | 504:
            code = Code.NO_ANSWER
            text = "The API did not answer in time." + ("" if is_read else " It may have been done: look first.")
    errors = problem.get("errors")
    named = [
        f"{each.get('field') or 'body'} {each.get('message')}"
        for each in (errors if isinstance(errors, list) else [])[:MAX_ERRORS]
        if isinstance(each, dict)
    ]
    return Failure(code, f"{text} {'; '.join(named)}".strip() + f" (HTTP {status})")
