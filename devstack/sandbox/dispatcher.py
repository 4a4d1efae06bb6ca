"""Every call to a partner: read, logged, processed and answered, with a fault if one is armed."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from devstack.sandbox.calls import Call, CallLog, Outcome
from devstack.sandbox.faults import DelayFault, DropFault, Fault, Faults, HtmlFault, RateLimitFault, SlowBodyFault
from devstack.sandbox.partner import Answer, Endpoint, Incoming, Operation, Partner

BOT_TOKEN = re.compile("/bot[^/]+")  # Telegram's tokens are parts of paths, and the log has no tokens


class Dispatcher:
    """Serves partners' endpoints. Processing runs to its end also when the client disconnects, as on a real server."""

    def __init__(self, log: CallLog, faults: Faults) -> None:
        self._log = log
        self._faults = faults

    def handler(
        self, partner: Partner, endpoints: Mapping[str, Endpoint]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The aiohttp handler of one path. `endpoints` are by method; without any the path is unknown."""

        async def handle(request: web.Request) -> web.StreamResponse:
            path = BOT_TOKEN.sub("/bot…", request.path)
            call = self._log.open(partner.name, request.method, path)
            try:
                return await self._serve(request, call, partner, endpoints)
            except asyncio.CancelledError:
                _lost(call, Outcome.DROPPED)
                raise
            except (ConnectionError, aiohttp.ClientError):
                _lost(call, Outcome.GONE)
                return web.Response()

        return handle

    async def _serve(
        self, request: web.Request, call: Call, partner: Partner, endpoints: Mapping[str, Endpoint]
    ) -> web.StreamResponse:
        try:
            incoming = Incoming.of(request, await request.read())
        except web.HTTPRequestEntityTooLarge:
            return await _send(request, call, partner.refused(413, "Request body is too large."))
        if not endpoints:
            return await _send(request, call, partner.refused(404, "Not found."))
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            refused = partner.refused(405, f'Method "{request.method}" not allowed.')
            return await _send(request, call, replace(refused, headers={"Allow": ", ".join(sorted(endpoints))}))
        select = endpoint.operation
        operation = select if isinstance(select, Operation) else select(incoming)
        call.operation = operation.name
        call.facts.update(operation.describe(incoming))

        def process() -> Answer:
            answer = operation.process(incoming)
            call.processed = True
            call.facts.update(answer.facts)
            return answer

        armed = self._faults.next_fault(partner.name, operation.name, incoming.json)
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
            return _drop(request, call)
        case SlowBodyFault():
            return await _send_slowly(request, call, process(), fault)
        case RateLimitFault():
            page = HtmlFault(kind="html", status=fault.status).answer()
            refused = page if fault.by == "proxy" else partner.refused(429, "Request was throttled.")
            return await _send(request, call, replace(refused, status=fault.status, headers=fault.headers))
        case instead:
            if instead.processed:
                process()
            return await _send(request, call, instead.answer())


async def _send(request: web.Request, call: Call, answer: Answer) -> web.StreamResponse:
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError
    response = web.Response(status=answer.status, body=answer.body, headers=_headers(answer))
    # Logged before it is written: a client that has the answer must find it in the log.
    call.status, call.outcome = answer.status, Outcome.ANSWERED
    await response.prepare(request)
    await response.write_eof()
    return response


async def _send_slowly(request: web.Request, call: Call, answer: Answer, fault: SlowBodyFault) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = len(answer.body)
    await response.prepare(request)
    for start in range(0, len(answer.body), fault.chunk):
        await asyncio.sleep(fault.seconds)
        await response.write(answer.body[start : start + fault.chunk])
    call.status, call.outcome = answer.status, Outcome.ANSWERED
    await response.write_eof()
    return response


def _drop(request: web.Request, call: Call) -> web.StreamResponse:
    _lost(call, Outcome.DROPPED)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _lost(call: Call, outcome: Outcome) -> None:
    call.status, call.outcome = None, outcome


def _headers(answer: Answer) -> CIMultiDict[str]:
    headers = CIMultiDict({"Content-Type": answer.content_type})
    headers.update(answer.headers)
    return headers
