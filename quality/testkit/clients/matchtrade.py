"""What every test of Match-Trade's client needs: the sandbox, a secret that can be broken, leads, time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.lead import Lead, Person, Trading
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.partners.matchtrade.kind import MAX_ANSWER_BYTES
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts
from quality.testkit.clients.leadleader import Vault
from quality.testkit.clients.raw_server import RawServer

PARTNER = "matchtrade"
SHORT = 0.2  # seconds
EMAIL = "olha.petrenko@example.com"
BEGINNING = datetime(2019, 1, 1, tzinfo=UTC)

type Operation = Literal["token", "create", "list"]
type Broken = Callable[[MatchTradeWorld, Operation], None]


@dataclass
class Clock:
    """The client's time: it passes only where a test says so."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


class Diverted(Transport):
    """A transport that takes the calls of some operations to other servers."""

    def __init__(self, partner: str, timeouts: Timeouts, elsewhere: dict[str, str]) -> None:
        super().__init__(partner, timeouts, max_answer_bytes=MAX_ANSWER_BYTES)
        self._elsewhere = elsewhere

    def call(self, operation: str, method: str, url: str, **options: Any) -> Answer:
        there = self._elsewhere.get(operation)
        path = url.partition(f"/{self.partner}/")[2]
        return super().call(operation, method, url if there is None else f"{there}/{path}", **options)


@dataclass
class MatchTradeWorld:
    """One client, one partner, and what is wrong with it. `stack` closes what a test opens.

    `elsewhere` has the servers that take the partner's place, by operation.
    """

    remote: Remote
    vault: Vault
    stack: ExitStack
    partner: str = PARTNER
    clock: Clock = field(default_factory=Clock)
    elsewhere: dict[str, str] = field(default_factory=dict)
    hasty: bool = False

    def client(self, form: AccountForm | None = None, *, refresh_grant: bool = False) -> MatchTrade:
        transport = Diverted(self.partner, short() if self.hasty else short(20), self.elsewhere)
        return MatchTrade(transport, self.vault, form, refresh_grant=refresh_grant, clock=self.clock)

    def repair(self) -> None:
        """Whatever was broken works again."""
        self.hasty = False
        self.elsewhere.clear()
        self.remote.disarm()

    def create(self, client: MatchTrade | None = None, **changes: Any) -> str | None:
        """Take a lead to the partner."""
        return (client or self.client()).authorize(budget()).create(lead(**changes), budget())

    def listed(self, client: MatchTrade | None = None, **options: Any) -> list[BrokerAccount]:
        """All accounts."""
        until = datetime.now(UTC) + timedelta(days=1)
        pages = (client or self.client()).pages(BEGINNING, until, budget(), **options)
        return [account for page in pages for account in page.rows]

    def calls(self, *operations: Operation) -> list[dict[str, Any]]:
        """What arrived at the partner, of these operations or of all."""
        return [call for call in self.remote.calls(self.partner) if not operations or call["operation"] in operations]

    def arrived(self, operation: Operation) -> dict[str, Any]:
        """The one call of this operation."""
        (call,) = self.calls(operation)
        return call


@contextmanager
def matchtrade_world(sandbox: Sandbox, partner: str = PARTNER) -> Iterator[MatchTradeWorld]:
    """A client's surroundings, with nothing wrong yet."""
    remote = Remote(sandbox.url)
    remote.reset()

    def secret() -> dict[str, Any]:
        return sandbox.secrets()[partner]

    with ExitStack() as stack:
        yield MatchTradeWorld(remote, Vault(secret, secret()), stack, partner)


def fault(kind: str, **fields: Any) -> Broken:
    """The sandbox's fault of this kind."""

    def begin(world: MatchTradeWorld, operation: Operation) -> None:
        world.remote.arm(world.partner, operation, {"kind": kind, **fields}, times=None)

    return begin


def answer(status: int, body: object = None, **headers: str) -> Broken:
    """This answer, the call not processed; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return fault("answer", status=status, body=body, headers=named)


def bytes_sent(*pieces: bytes, pause: float = 0, linger: float = 0) -> Broken:
    """These bytes for an answer."""

    def begin(world: MatchTradeWorld, operation: Operation) -> None:
        server = world.stack.enter_context(RawServer(pieces, pause=pause, linger=linger))
        world.elsewhere[operation] = server.url

    return begin


def listening(what: Callable[[], AbstractContextManager[str]]) -> Broken:
    """A port that does not take connections."""

    def begin(world: MatchTradeWorld, operation: Operation) -> None:
        world.elsewhere[operation] = world.stack.enter_context(what())

    return begin


def tls_to_a_plain_port(world: MatchTradeWorld, operation: Operation) -> None:
    """https where plain HTTP is spoken."""
    world.elsewhere[operation] = world.remote.url.replace("http:", "https:")


def slow(broken: Broken) -> Broken:
    """What takes longer than anybody waits."""

    def begin(world: MatchTradeWorld, operation: Operation) -> None:
        world.hasty = True
        broken(world, operation)

    return begin


def short(seconds: float = SHORT) -> Timeouts:
    """Timeouts in fractions of a second, which no configuration may have."""
    return Timeouts.model_construct(connect=timedelta(seconds=seconds), read=timedelta(seconds=seconds))


def budget(seconds: float = 200) -> Budget:
    """A budget of so many seconds for calls."""
    return Budget(time.monotonic() + seconds + 3, reserve=3)


def lead(**changes: Any) -> Lead:
    """A lead for the broker; `changes` are fields of the person or of where the lead comes from."""
    person = {"full_name": "Ольга Іванівна Петренко", "phone": "+380501234567", "email": EMAIL}
    trading = {"offer": "Test Offer", "site": "testoffer.com", "description": "Test Description", "click_id": "a12dd0"}
    for name, value in changes.items():
        (trading if name in trading else person)[name] = value
    return Lead(
        lead_id="ld_1",
        source="web-trading",
        received_at=datetime(2026, 1, 31, 9, tzinfo=UTC),
        partners=(PARTNER,),
        person=Person(**person),
        trading=Trading(**trading),
    )
