"""One run in one process, from its seed to its books."""

from __future__ import annotations

import os
import random as chance
import sys
import time as wall
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO
from unittest.mock import patch

from chaos.balance import violations
from chaos.in_process.chaos import PACE, Chaos
from chaos.in_process.stage import Time
from chaos.tally import Result
from leadbridge import settings
from leadbridge.logs import logger
from sandbox.remote import Remote
from sandbox.server import Sandbox
from tests.moto_stack import moto_stack


def run(seed: int, leads: int) -> Result:
    """Do one run, and balance its books."""
    began = wall.monotonic()
    chance.seed(seed)
    time = Time()
    with ExitStack() as held:
        directory = Path(held.enter_context(TemporaryDirectory()))
        sandbox = held.enter_context(Sandbox(directory / "sandbox", pace=PACE, clock=time.seconds))
        held.enter_context(_quiet())
        held.enter_context(patch.dict(os.environ, {"LEADBRIDGE_ENVIRONMENT": "local"}))
        stack = held.enter_context(moto_stack(directory))
        _count_repeats()
        chaos = Chaos(stack, Remote(sandbox.url), time, seed)
        held.enter_context(chaos.stage.open())
        chaos.secrets.put_all(sandbox.secrets())
        chaos.turns(leads)
        chaos.drain()
        books = chaos.books()
        found = violations(books)
    return Result(seed, chaos.tally, books, found, wall.monotonic() - began)


def _count_repeats() -> None:
    """One of the sources takes a person's second lead for the first."""
    sources = settings.settings().sources
    sources["plain-credit"] = sources["plain-credit"].model_copy(update={"dedup_days": 30})


@contextmanager
def _quiet() -> Iterator[None]:
    """What functions log and measure is nobody's concern here."""
    handler: Any = logger.registered_handler
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before: TextIO = handler.setStream(nowhere) or sys.stdout
        try:
            yield
        finally:
            handler.setStream(before)
