"""Rows that change while somebody reads them: what is to happen just before a page is answered."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from devstack.sandbox.matchtrade.accounts import Origin
from devstack.sandbox.matchtrade.registry import Registry, Samples
from devstack.sandbox.matchtrade.times import millis

PENDING_AT_MOST = 1000

type Status = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Insert(_Strict):
    """A further sample, created at that time, with this email or one of its own."""

    kind: Literal["insert"]
    created: AwareDatetime
    email: Email | None = None

    def apply(self, registry: Registry) -> bool:
        """Whether there was room, and the email free."""
        at = millis(self.created)
        emails = () if self.email is None else (self.email,)
        try:
            return bool(registry.add(Samples(1, at, at, Origin.FOREIGN, emails=emails)))
        except (OverflowError, ValueError):
            return False


class Remove(_Strict):
    """An account goes."""

    kind: Literal["remove"]
    uuid: str

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        if account is not None:
            registry.remove(account)
        return account is not None


class Move(_Strict):
    """An account turns out to have been created at another time: it stands elsewhere in the list."""

    kind: Literal["move"]
    uuid: str
    created: AwareDatetime

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        if account is not None:
            registry.move(account, millis(self.created))
        return account is not None


class Put(_Strict):
    """An account gets a status, for good: where the broker filters by `updated`, it may leave the window."""

    kind: Literal["status"]
    uuid: str
    status: Status

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        return account is not None and registry.put([account], self.status) > 0


type Change = Annotated[Insert | Remove | Move | Put, Field(discriminator="kind")]


class ChangesOrder(_Strict):
    """The body of `POST /control/matchtrade/changes`. Without a page they happen at once."""

    page: Annotated[int, Field(ge=0)] | None = None
    changes: list[Change]

    def apply(self, registry: Registry) -> int:
        """How many changed anything: what is gone stays gone."""
        return sum([change.apply(registry) for change in self.changes])


class Pending:
    """Orders that wait for their page; each happens once, before the first answer with a page of that number."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._orders: list[ChangesOrder] = []

    def add(self, order: ChangesOrder) -> None:
        """Raises `OverflowError` above `PENDING_AT_MOST`."""
        if len(self._orders) >= PENDING_AT_MOST:
            raise OverflowError(f"{PENDING_AT_MOST} orders are pending: clear some")
        self._orders.append(order)

    def happen(self, page: int) -> int:
        """How many rows change before this page is answered."""
        due = [order for order in self._orders if order.page == page]
        self._orders = [order for order in self._orders if order.page != page]
        return sum(order.apply(self._registry) for order in due)

    def all(self) -> list[ChangesOrder]:
        return self._orders

    def clear(self) -> None:
        self._orders.clear()
