"""One run in one process, from its seed to its result."""

import os
import random as chance
import time as wall
import warnings
from contextlib import ExitStack, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from devstack.partners import further, partner_profiles
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge import settings
from leadbridge.runtime.logs import logger
from leadbridge.settings.intake import Intake
from leadbridge.settings.routing import RoutingRule
from leadbridge.settings.sources import TrackerSettings
from quality.chaos.checks import violations
from quality.chaos.in_process.chaos import Chaos
from quality.chaos.in_process.drain import AFTER_RETENTION, PACE, drain, pass_months
from quality.chaos.partner_faults import TRACKER_FAULTS
from quality.chaos.people import META, SOURCES
from quality.chaos.world import Result
from quality.testkit.aws.memory_stack import memory_stack
from quality.testkit.fakes.workers import Time, seeded_entropy

RETENTION_EVERY = 3  # runs: one of them continues until all leads have expired
ORDERED = {"web": 0.6, META: 0.6, "web-trading": 0.4, "plain-credit": 0.3}
"""The share of runs in which each source tries its partners in an order."""
WEIGHTED = 0.4  # the share of these orders that weights decide on
LIMITED = 0.3  # the share of partners that take few leads
INTAKES: tuple[dict[str, Any], ...] = (
    {"per_hour": 2},
    {"per_hour": 1, "per_day": 3},
    {"per_day": 2},
    {"total": 3},
    {"hours": ["mon-sun 08:00-14:30"]},
)
WITH_TRACKER = ("web", "web-trading")  # the sources that have one
TRACKER = TrackerSettings(
    kind="url", on={"submitted": "lead", "approved": "approved", "issued": "sale", "active": "sale", "declined": "no"}
)
KEEP = 0.75  # the share of runs in which a source keeps what no partner can take


def run(seed: int, leads: int) -> Result:
    began = wall.monotonic()
    time = Time()
    files = _sandbox_files()
    with ExitStack() as held:
        nowhere = held.enter_context(Path(os.devnull).open("w"))  # for the functions' logs and metrics
        held.enter_context(redirect_stdout(nowhere))
        held.enter_context(patch.object(logger.registered_handler, "stream", nowhere))
        held.enter_context(warnings.catch_warnings(action="ignore"))
        held.enter_context(patch.dict(os.environ, {"LEADBRIDGE_ENVIRONMENT": "local"}))
        stack = held.enter_context(memory_stack())
        held.enter_context(seeded_entropy(seed))
        folder = Path(held.enter_context(TemporaryDirectory(prefix="leadbridge-chaos-")))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        sandbox = held.enter_context(Sandbox(folder, pace=PACE, clock=time.seconds, further=further()))
        chaos = Chaos(stack, Remote(sandbox.url), time, seed, _configure(chance.Random(seed)))
        held.enter_context(chaos.harness.open())
        chaos.put_secrets(sandbox.secrets())
        _break_tracker(chaos, chance.Random(f"tracker {seed}"))
        chaos.post_leads(leads)
        found = violations(drain(chaos))
        snapshot = chaos.snapshot()
        found += [one for one in violations(snapshot) if one not in found]
        if seed % RETENTION_EVERY == 0:
            pass_months(chaos)
            found += [one for one in violations(chaos.snapshot(), AFTER_RETENTION) if one not in found]
    return Result(chaos.counters, snapshot, found, wall.monotonic() - began)


def _configure(random: chance.Random) -> frozenset[str]:
    """Let one source merge a person's repeats, some try partners in an order, and some partners take few leads.

    Returns the sources that also try a broker, and of which some people lack what a lender requires.
    """
    sources, partners = settings.settings().sources, settings.settings().partners
    _set(sources, "plain-credit", dedup_days=30, on_repeat=random.choice(["mark", "mark", "mark", "hold"]))
    ordered = {name for name, share in ORDERED.items() if random.random() < share}
    for name in sorted(ordered):
        own = sources[name].partners[0].partners[0]
        others = [partner for partner in partner_profiles() if partner != own]
        _set(sources, name, partners=(_rule(random, (own, *random.sample(others, random.randint(1, len(others))))),))
    for name in SOURCES:
        _set(sources, name, on_invalid="keep" if name == META or random.random() < KEEP else "refuse")
    for name in WITH_TRACKER:
        _set(sources, name, feedback={"tracker": TRACKER})
    for name in partner_profiles():
        if random.random() < LIMITED:
            intake = dict(random.choice(INTAKES))
            then = "when_closed" if "hours" in intake else "when_capped"
            intake[then] = random.choice(["next", "next", "wait", "hold"])
            _set(partners, name, intake=Intake.model_validate(intake))
    lenderless = {name for name, one in partners.items() if "person.tax_number" not in one.requires}
    return frozenset(
        name for name in ordered - {"web-trading"} if lenderless.intersection(sources[name].partners[0].partners)
    )


def _set(of: dict[str, Any], name: str, **update: object) -> None:
    of[name] = of[name].model_copy(update=update)


def _break_tracker(chaos: Chaos, random: chance.Random) -> None:
    """Let the tracker fail several times in a row, several times."""
    skip = 0
    for _ in range(random.randint(0, 3)):
        fault, times = dict(random.choice(TRACKER_FAULTS)), random.randint(1, 3)
        chaos.partner.arm("feedback", "postback", fault, times=times, skip=skip)
        skip = random.randint(0, 6)


def _rule(random: chance.Random, order: tuple[str, ...]) -> RoutingRule:
    """A rule that tries these partners in this order, or by weight."""
    weights = [random.choice([1, 2, 5]) for _ in order] if random.random() < WEIGHTED else [None] * len(order)
    to = [{"partner": partner, "weight": weight} for partner, weight in zip(order, weights, strict=True)]
    next_on = ["rejected", "missing_fields", *random.choice([[], ["capped"], ["duplicate", "capped", "closed"]])]
    return RoutingRule.model_validate({"to": to, "next_on": next_on})


@cache
def _sandbox_files() -> dict[str, bytes]:
    """The sandbox's credentials, with which all runs of a process begin: to generate keys takes long."""
    with TemporaryDirectory() as folder, seeded_entropy(0), Sandbox(folder, further=further()):
        return {file.name: file.read_bytes() for file in Path(folder).glob("*.json")}
