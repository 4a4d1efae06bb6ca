"""Changes of accounts between two pages of a client's list."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from devstack.sandbox.matchtrade.accounts import Origin
from devstack.sandbox.matchtrade.registry import Registry, Samples
from devstack.sandbox.matchtrade.times import millis
from devstack.sandbox.orders import Order

MAX_PENDING = 1000

type Status = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class Insert(Order):
    """Add a sample, created at that time, with this email or its own."""

    kind: Literal["insert"]
    created: AwareDatetime
    email: Email | None = None

    def apply(self, registry: Registry) -> bool:
        """Return False if there is no room or the email has an account."""
        at = millis(self.created)
        emails = () if self.email is None else (self.email,)
        try:
            return bool(registry.add(Samples(1, at, at, Origin.FOREIGN, emails=emails)))
        except (OverflowError, ValueError):
            return False


class Remove(Order):
    """Remove an account."""

    kind: Literal["remove"]
    uuid: str

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        if account is not None:
            registry.remove(account)
        return account is not None


class Move(Order):
    """Change the time of an account's creation, and so its place in the list."""

    kind: Literal["move"]
    uuid: str
    created: AwareDatetime

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        if account is not None:
            registry.move(account, millis(self.created))
        return account is not None


class Put(Order):
    """Set an account's status, which then no longer changes. With the filter `updated` it may leave the window."""

    kind: Literal["status"]
    uuid: str
    status: Status

    def apply(self, registry: Registry) -> bool:
        account = registry.get(self.uuid)
        return account is not None and registry.put([account], self.status) > 0


type Change = Annotated[Insert | Remove | Move | Put, Field(discriminator="kind")]


class ChangesOrder(Order):
    """The body of `POST /control/matchtrade/changes`. Without a page they happen immediately."""

    page: Annotated[int, Field(ge=0)] | None = None
    changes: list[Change]

    def apply(self, registry: Registry) -> int:
        """Return how many changes had an effect."""
        return sum([change.apply(registry) for change in self.changes])


class Pending:
    """Orders for a page. Each is executed once, before the first answer with that page."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._orders: list[ChangesOrder] = []

    def add(self, order: ChangesOrder) -> None:
        """Raises `OverflowError` above `MAX_PENDING`."""
        if len(self._orders) >= MAX_PENDING:
            raise OverflowError(f"{MAX_PENDING} orders are pending: clear some")
        self._orders.append(order)

    def execute(self, page: int) -> int:
        """Execute the orders of a page. Returns how many rows changed."""
        due = [order for order in self._orders if order.page == page]
        self._orders = [order for order in self._orders if order.page != page]
        return sum(order.apply(self._registry) for order in due)

    def all(self) -> list[ChangesOrder]:
        return self._orders

    def clear(self) -> None:
        self._orders.clear()
