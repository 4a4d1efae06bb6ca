"""Every call to a partner: read, logged, processed and answered, with a fault if one is armed."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from devstack.sandbox.faults import ArmedFault, Fault
from devstack.sandbox.partner import MAX_STORED, Answer, Clock, Endpoint, Incoming, Partner, Refusal, rfc3339

BOT_TOKEN = re.compile("/bot[^/]+")  # Telegram's tokens are parts of paths, and the log has no tokens


@dataclass
class Call:
    """One call. `status` is None until an answer was written.

    `gone`: the client disconnected; `dropped`: the sandbox aborted the connection. `processed`: the partner's own logic
    handled it (and may have refused it), whatever the caller received.
    """

    number: int
    at: str
    partner: str
    method: str
    path: str
    operation: str | None = None
    status: int | None = None
    outcome: Literal["in_flight", "answered", "dropped", "gone"] = "in_flight"
    processed: bool = False
    fault: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "facts"} | self.facts


class Dispatcher:
    """Serves partners' endpoints. Processing runs to its end also when the client disconnects, as on a real server.

    `calls` are the last ones; numbers never repeat. `faults` are those in force by id, oldest first. A call
    gets the first that matches.
    """

    def __init__(self, clock: Clock) -> None:
        self.calls: deque[Call] = deque(maxlen=MAX_STORED)
        self.faults: dict[str, ArmedFault] = {}
        self._clock = clock
        self._numbers = count(1)

    async def handle(self, partner: Partner, endpoints: list[Endpoint], request: web.Request) -> web.StreamResponse:
        """Serve one path; without endpoints the path is unknown."""
        path = BOT_TOKEN.sub("/bot…", request.path)
        call = Call(next(self._numbers), rfc3339(self._clock()), partner.name, request.method, path)
        self.calls.append(call)
        try:
            return await self._serve(request, call, partner, endpoints)
        except asyncio.CancelledError:
            call.outcome = "dropped"
            raise
        except (ConnectionError, aiohttp.ClientError):
            call.outcome = "gone"
            return web.Response()

    async def _serve(
        self, request: web.Request, call: Call, partner: Partner, endpoints: list[Endpoint]
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

        for armed in self.faults.values():
            if armed.strikes(partner.name, endpoint.operation, incoming.fields):
                call.fault = {"id": armed.id, "kind": armed.fault.kind}
                return await _apply_fault(request, call, armed.fault, partner, process)
        return await _send(request, call, process())


async def _apply_fault(
    request: web.Request, call: Call, fault: Fault, partner: Partner, process: Callable[[], Answer]
) -> web.StreamResponse:
    match fault.kind:
        case "delay":
            answer = process() if fault.when == "after" else None
            await asyncio.sleep(fault.seconds)
            return await _send(request, call, answer or process())
        case "drop":
            if fault.when == "after":
                process()
            call.outcome = "dropped"
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case "slow_body":
            return await _send(request, call, process(), fault.chunk, fault.seconds)
        case "rate_limit" if fault.by == "partner":
            refused, headers = partner.refused(429, "Request was throttled."), fault.answer().headers
            return await _send(request, call, replace(refused, status=fault.status, headers=headers))
        case _:
            if fault.processed:
                process()
            return await _send(request, call, fault.answer())


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
    call.outcome, call.status = "answered", answer.status
    await response.prepare(request)
    await response.write_eof()
    return response
