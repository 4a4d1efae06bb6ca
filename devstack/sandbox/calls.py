"""Every call to a partner: read, logged, processed and answered, with a fault if one is armed."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from devstack.sandbox.faults import AnswerFault, DelayFault, DropFault, Fault, Faults, HtmlFault, RateLimitFault
from devstack.sandbox.partner import MAX_STORED, Answer, Clock, Endpoint, Incoming, Partner, Refusal, rfc3339

BOT_TOKEN = re.compile("/bot[^/]+")  # Telegram's tokens are parts of paths, and the log has no tokens


class Outcome(StrEnum):
    """`GONE`: the client disconnected. `DROPPED`: the sandbox aborted the connection."""

    IN_FLIGHT = "in_flight"
    ANSWERED = "answered"
    DROPPED = "dropped"
    GONE = "gone"


@dataclass(slots=True)
class Call:
    """One call. `status` is None until an answer was written.

    `processed`: the partner's own logic handled it (and may have refused it), whatever the caller received.
    """

    number: int
    at: str
    partner: str
    method: str
    path: str
    operation: str | None = None
    status: int | None = None
    outcome: Outcome = Outcome.IN_FLIGHT
    processed: bool = False
    fault: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def end(self, outcome: Outcome, status: int | None = None) -> None:
        self.outcome, self.status = outcome, status

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        facts: dict[str, Any] = shown.pop("facts")
        return shown | facts


class CallLog:
    """The last `limit` calls. Numbers never repeat within a run, also after a reset."""

    def __init__(self, clock: Clock, limit: int = MAX_STORED) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=limit)
        self._number = 0

    def open(self, partner: str, method: str, path: str) -> Call:
        self._number += 1
        call = Call(self._number, rfc3339(self._clock()), partner, method, path)
        self._calls.append(call)
        return call

    def select(self, partner: str | None, operation: str | None, since: int) -> Iterator[Call]:
        return (
            call
            for call in self._calls
            if call.number > since and partner in {None, call.partner} and operation in {None, call.operation}
        )

    def clear(self) -> None:
        self._calls.clear()


class Dispatcher:
    """Serves partners' endpoints. Processing runs to its end also when the client disconnects, as on a real server."""

    def __init__(self, log: CallLog, faults: Faults) -> None:
        self._log = log
        self._faults = faults

    def handler(self, partner: Partner, endpoints: Sequence[Endpoint]) -> Handler:
        """The aiohttp handler of one path; without endpoints the path is unknown."""

        async def handle(request: web.Request) -> web.StreamResponse:
            call = self._log.open(partner.name, request.method, BOT_TOKEN.sub("/bot…", request.path))
            try:
                return await self._serve(request, call, partner, endpoints)
            except asyncio.CancelledError:
                call.end(Outcome.DROPPED)
                raise
            except (ConnectionError, aiohttp.ClientError):
                call.end(Outcome.GONE)
                return web.Response()

        return handle

    async def _serve(
        self, request: web.Request, call: Call, partner: Partner, endpoints: Sequence[Endpoint]
    ) -> web.StreamResponse:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return await _send(request, call, partner.refused(413, "Request body is too large."))
        if not endpoints:
            return await _send(request, call, partner.refused(404, "Not found."))
        incoming = Incoming(
            request.method, request.match_info, request.query, request.headers, request.content_type, raw
        )
        endpoint = next((one for one in endpoints if one.method == request.method and one.matches(incoming)), None)
        if endpoint is None:
            refused = partner.refused(405, f'Method "{request.method}" not allowed.')
            allowed = ", ".join(sorted({one.method for one in endpoints}))
            return await _send(request, call, replace(refused, headers={"Allow": allowed}))
        call.operation = endpoint.operation
        call.facts.update(endpoint.describe(incoming))

        def process() -> Answer:
            try:
                answer = endpoint.process(incoming)
            except Refusal as refusal:
                answer = refusal.answer
            call.processed = True
            call.facts.update(answer.facts)
            return partner.finish(answer)

        armed = self._faults.next_fault(partner.name, endpoint.operation, incoming.fields)
        if armed is None:
            return await _send(request, call, process())
        call.fault = {"id": armed.id, "kind": armed.order.fault.kind}
        return await _apply_fault(request, call, armed.order.fault, partner, process)


async def _apply_fault(
    request: web.Request, call: Call, fault: Fault, partner: Partner, process: Callable[[], Answer]
) -> web.StreamResponse:
    match fault:
        case DelayFault(when="before"):
            await asyncio.sleep(fault.seconds)
            return await _send(request, call, process())
        case DelayFault():
            answer = process()
            await asyncio.sleep(fault.seconds)
            return await _send(request, call, answer)
        case DropFault():
            if fault.when == "after":
                process()
            call.end(Outcome.DROPPED)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case RateLimitFault():
            page = HtmlFault(kind="html", status=fault.status).answer()
            refused = page if fault.by == "proxy" else partner.refused(429, "Request was throttled.")
            return await _send(request, call, replace(refused, status=fault.status, headers=fault.headers))
        case AnswerFault() | HtmlFault():
            if fault.processed:
                process()
            return await _send(request, call, fault.answer())
        case slow:
            return await _send(request, call, process(), slow.chunk, slow.seconds)


async def _send(
    request: web.Request, call: Call, answer: Answer, chunk: int | None = None, seconds: float = 0
) -> web.StreamResponse:
    """Send the head, then the body in pieces of `chunk` bytes with `seconds` before each, or as a whole."""
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError
    headers = CIMultiDict({"Content-Type": answer.content_type, **answer.headers})
    if chunk is None:
        response: web.StreamResponse = web.Response(status=answer.status, body=answer.body, headers=headers)
    else:
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        for start in range(0, len(answer.body), chunk):
            await asyncio.sleep(seconds)
            await response.write(answer.body[start : start + chunk])
    # Logged before the end is written: a client that has the answer must find it in the log.
    call.end(Outcome.ANSWERED, answer.status)
    await response.prepare(request)
    await response.write_eof()
    return response
