"""The company's set-up in Leeloo (`company.toml`). The same names have the same ids in every run."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

SET_UP_AT = "2025-01-01T00:00Z"

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


def fixed_id(kind: str, name: str) -> str:
    """24 hex digits computed from a kind and a name."""
    return hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Named:
    """A tag, a category of templates, a user, or a block of a tunnel."""

    id: str
    name: str

    def dated(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "createdAt": SET_UP_AT, "updatedAt": SET_UP_AT}


@dataclass(frozen=True, slots=True)
class Typed(Named):
    """A connection (a bot of the company) or a lead tool of a tunnel."""

    type: str


@dataclass(frozen=True, slots=True)
class Template:
    """A message with `{{variables}}` in its text."""

    id: str
    category_id: str
    message_name: str
    text: str

    def rendered(self, variables: Mapping[str, str]) -> str:
        """The text that a person receives. A variable without a value stays unchanged."""
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), self.text)


@dataclass(frozen=True, slots=True)
class Tunnel(Named):
    """A funnel. A person can be put into its blocks, and comes from its lead tools."""

    blocks: tuple[Named, ...]
    leadgentools: tuple[Typed, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """The subject of orders, which count for the offer's tunnel."""

    id: str
    title: str
    description: str
    price: Decimal
    currency: str
    tunnel_id: str


@dataclass(frozen=True, slots=True)
class PaymentCredit(Named):
    """A payment method. The API can only update orders with a manual one."""

    manual: bool


def _by_id[Thing: (Named, Typed, Template, Tunnel, Offer, PaymentCredit)](things: Iterable[Thing]) -> dict[str, Thing]:
    return {thing.id: thing for thing in things}


def _named(kind: str, names: Iterable[str]) -> list[Named]:
    return [Named(fixed_id(kind, name), name) for name in names]


def _typed(kind: str, types: Mapping[str, str]) -> list[Typed]:
    return [Typed(fixed_id(kind, name), name, what) for name, what in types.items()]


def _tunnel(name: str, blocks: list[str], leadgentools: dict[str, str]) -> Tunnel:
    own_blocks, own_tools = _named(f"block/{name}", blocks), _typed(f"leadgentool/{name}", leadgentools)
    return Tunnel(fixed_id("tunnel", name), name, tuple(own_blocks), tuple(own_tools))


def _offer(title: str, description: str, price: str, currency: str, tunnel: str) -> Offer:
    return Offer(fixed_id("offer", title), title, description, Decimal(price), currency, fixed_id("tunnel", tunnel))


_SET_UP: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CONNECTIONS = _by_id(_typed("connection", _SET_UP["connections"]))
CATEGORIES = _by_id(_named("category", _SET_UP["templates"]))
TEMPLATES = _by_id(
    Template(fixed_id("template", name), fixed_id("category", category), name, text)
    for category, texts in _SET_UP["templates"].items()
    for name, text in texts.items()
)
TAGS = _by_id(_named("tag", _SET_UP["tags"]))
USERS = _by_id(_named("user", _SET_UP["users"]))
TUNNELS = _by_id(_tunnel(name, **one) for name, one in _SET_UP["tunnels"].items())
TUNNELS_BY_LEADGENTOOL = {tool.id: tunnel for tunnel in TUNNELS.values() for tool in tunnel.leadgentools}
OFFERS = _by_id(_offer(title, **one) for title, one in _SET_UP["offers"].items())
PAYMENT_CREDITS = _by_id(
    PaymentCredit(fixed_id("payment", name), name, manual) for name, manual in _SET_UP["payment_credits"].items()
)


def as_json() -> dict[str, Any]:
    lists: dict[str, Mapping[str, Any]] = {
        "connections": CONNECTIONS,
        "categories": CATEGORIES,
        "templates": TEMPLATES,
        "tags": TAGS,
        "tunnels": TUNNELS,
        "users": USERS,
        "payment_credits": PAYMENT_CREDITS,
    }
    shown: dict[str, Any] = {name: [asdict(each) for each in things.values()] for name, things in lists.items()}
    return {**shown, "offers": [asdict(each) | {"price": str(each.price)} for each in OFFERS.values()]}
