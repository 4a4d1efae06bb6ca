"""`/control/leeloo`: people, the messages sent to them, the rate limit, Leeloo's own webhooks."""

from collections.abc import Sequence
from typing import Annotated, Any

import aiohttp
from pydantic import Field, StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.control import Control
from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.requests import too_many_requests
from devstack.sandbox.leeloo.state import State
from devstack.sandbox.partner import Answer, Clock

WEBHOOK_TIMEOUT_SECONDS = 30
MAX_SHOWN_BODY = 2000

type Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
type Url = Annotated[str, StringConstraints(pattern=r"^https?://")]


class RateLimit:
    """A window begins with the first call after the end of the last one. Refused calls do not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened_at = 0.0
        self._calls = 0
        self._answer = too_many_requests()
        self.set(None)

    def set(
        self,
        calls: Annotated[int, Field(ge=0)] | None,
        seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60,
        status: Annotated[int, Field(ge=200, le=599)] = 429,
        retry_after: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        """Replace the limit and reset the count. `calls` None is no limit; `seconds` is the window's length."""
        self._limit, self._seconds, self._calls = calls, seconds, 0
        self._answer = too_many_requests(status, retry_after)

    def refusal(self) -> Answer | None:
        """Count a call. Returns the refusal of one above the limit."""
        if self._limit is None:
            return None
        now = self._clock()
        if self._calls == 0 or now - self._opened_at >= self._seconds:
            self._opened_at, self._calls = now, 0
        if self._calls >= self._limit:
            return self._answer
        self._calls += 1
        return None


class Controls:
    def __init__(self, state: State, limit: RateLimit) -> None:
        self._state = state
        self._limit = limit

    def routes(self) -> list[Control]:
        return [
            Control("GET", "/company", company.as_json),
            Control("GET", "/people", self._list_people),
            Control("POST", "/people", self._add_person, 201),
            Control("GET", "/messages", self._list_messages),
            Control("POST", "/limit", self._limit.set),
            Control("POST", "/emit", _emit),
        ]

    def _list_people(self) -> dict[str, Any]:
        people = self._state.people.values()
        return {"people": [person.as_json() | {"comments": person.comments} for person in people]}

    def _add_person(
        self,
        name: Text,
        phone: Text | None = None,
        email: Text | None = None,
        tags: Sequence[str] = (),
        accounts: Sequence[Text] = (),
    ) -> dict[str, Any]:
        """Tags are by name, channels by type (`TELEGRAM`, or any other)."""
        tag_ids = {tag.name: tag.id for tag in company.TAGS.values()}
        if not tag_ids.keys() >= set(tags):
            raise ValueError(f"tags: some of {', '.join(tag_ids)}")
        person = self._state.add_person(name, phone, email, accounts)
        person.tag_ids = [tag_ids[tag] for tag in dict.fromkeys(tags)]
        return person.as_json()

    def _list_messages(self, phone: str | None = None, account_id: str | None = None) -> dict[str, Any]:
        messages = [
            message.as_json()
            for message in self._state.messages.values()
            if phone in {None, message.account.person.phone} and account_id in {None, message.account.id}
        ]
        return {"messages": messages}


async def _emit(data: dict[str, Any], url: Url, kind: Annotated[Text, Field(alias="type")]) -> dict[str, Any]:
    """Post `{type, data}` once, without redirects, and return the response."""
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_SECONDS)
    content, headers = strict_json.dump({"type": kind, "data": data}), {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=content, headers=headers, allow_redirects=False) as response,
        ):
            body = await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return {"status": None, "error": type(error).__name__}
    return {"status": response.status, "body": body[:MAX_SHOWN_BODY]}
