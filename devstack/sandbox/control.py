"""The routes of `/control`, and how they call what is behind them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError, validate_call

from devstack.sandbox import strict_json


class Order(BaseModel):
    """A JSON object without unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Control:
    """A route. `call` gets the parameters of the path and of the query, and the members of the body, validated.

    It returns the answer's JSON, or None for a 204. ValueError and OverflowError become a 400, LookupError a 404.
    """

    method: str
    path: str
    call: Callable[..., Any]
    status: int = 200

    def route(self, prefix: str) -> web.RouteDef:
        call = validate_call(self.call)

        async def handle(request: web.Request) -> web.Response:
            try:
                answer = call(**await _given(request))
            except ValidationError as error:
                found = error.errors(include_url=False, include_context=False, include_input=False)
                return _reply({"detail": "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in found)}, 400)
            except (OverflowError, ValueError) as error:
                return _reply({"detail": str(error)}, 400)
            except LookupError:
                return _reply({"detail": "not found"}, 404)
            return web.Response(status=204) if answer is None else _reply(answer, self.status)

        return web.route(self.method, prefix + self.path, handle)


async def _given(request: web.Request) -> dict[str, Any]:
    body = json.loads(await request.read() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("the body: a JSON object")
    return {**request.query, **body, **request.match_info}


def _reply(value: object, status: int) -> web.Response:
    return web.Response(status=status, body=strict_json.dump(value), content_type="application/json")
