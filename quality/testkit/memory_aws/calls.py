"""Calls of botocore's clients, answered by services in memory, without a request.

A call takes some microseconds. moto takes milliseconds: it serializes, signs and parses each request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

ACCOUNT, REGION = "123456789012", "eu-central-1"

type Answer = dict[str, Any]


class Refused(Exception):
    """An error that AWS answers: its code, and further members of the response."""

    def __init__(self, code: str, message: str = "", **more: Any) -> None:
        super().__init__(code)
        self.code, self.message, self.more = code, message, more


class MemoryService:
    """A service in memory. Each operation is a method: `SendMessage` is `_send_message`."""

    def __init__(self) -> None:
        self._lock = RLock()

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer a call. Raises Refused. An operation that no code uses is not implemented."""
        answer: Callable[[Mapping[str, Any]], Answer] | None = getattr(self, _method_name(operation), None)
        if answer is None:
            raise NotImplementedError(operation)
        with self._lock:
            return answer(parameters)

    def validate(self, model: Any, parameters: dict[str, Any]) -> None:
        """Raise ParamValidationError for parameters that do not match the operation's model."""
        report = ParamValidator().validate(parameters, model.input_shape)
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())


@cache
def _method_name(operation: str) -> str:
    return "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


@contextmanager
def answering(services: Mapping[str, MemoryService]) -> Iterator[None]:
    """Answer all calls to these services while the block runs. Others are called as before."""
    base: Any = BaseClient
    call = base._make_api_call

    def answered(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        # A test's monkeypatch that is undone after this block puts this function back: then it only passes calls on.
        service = services.get(client.meta.service_model.service_name)
        if service is None or not any(services is one for one in _open):
            return call(client, operation, parameters)
        return _answer(service, client, operation, parameters)

    _open.append(services)
    try:
        with patch.object(base, "_make_api_call", answered):
            yield
    finally:
        _open.pop()


_open: list[Mapping[str, MemoryService]] = []


def innermost(service: str) -> MemoryService:
    """A service of the innermost `answering` that is open and has it."""
    return next(services[service] for services in reversed(_open) if service in services)


def _answer(service: MemoryService, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """Answer one call as botocore's client does: parameters are checked, events emitted, errors are ClientErrors."""
    model = client.meta.service_model.operation_model(operation)
    if client.meta.config.parameter_validation:
        service.validate(model, parameters)
    events, name = client.meta.events, f"{client.meta.service_model.service_id.hyphenize()}.{operation}"
    emitted: dict[str, Any] = {"model": model, "context": {}}
    request = {"headers": {}, "body": b""}
    events.emit(f"before-call.{name}", params=request, request_signer=None, **emitted)
    try:
        answered = service.call(operation, parameters)
    except Refused as refused:
        response = {"Error": {"Code": refused.code, "Message": refused.message}, **refused.more}
        response["ResponseMetadata"] = {"HTTPStatusCode": 400, "RetryAttempts": 0}
        raise client.exceptions.from_code(refused.code)(response, operation) from None
    parsed = {**answered, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
    events.emit(f"after-call.{name}", http_response=None, parsed=parsed, **emitted)
    return parsed
