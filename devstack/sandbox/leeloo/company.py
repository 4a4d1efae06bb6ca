"""The company's set-up in Leeloo. The same names have the same ids in every run."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

SET_UP_AT = 1_735_689_600.0
"""When all of it was set up, in seconds since the epoch: 2025-01-01."""

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


def fixed_id(kind: str, name: str) -> str:
    """24 hex digits computed from a kind and a name."""
    return hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Named:
    """A tag, a category of templates, a user, or a block of a tunnel."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Typed:
    """A connection (a bot of the company) or a lead tool of a tunnel."""

    id: str
    name: str
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
class Tunnel:
    """A funnel. A person can be put into its blocks, and comes from its lead tools."""

    id: str
    name: str
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
class PaymentCredit:
    """A payment method. The API can only update orders with a manual one."""

    id: str
    name: str
    manual: bool


def _named(kind: str, *names: str) -> dict[str, Named]:
    return {fixed_id(kind, name): Named(fixed_id(kind, name), name) for name in names}


def _typed(kind: str, types: Mapping[str, str]) -> dict[str, Typed]:
    return {fixed_id(kind, name): Typed(fixed_id(kind, name), name, what) for name, what in types.items()}


def _templates(category: str, texts: Mapping[str, str]) -> dict[str, Template]:
    category_id = fixed_id("category", category)
    return {
        fixed_id("template", name): Template(fixed_id("template", name), category_id, name, text)
        for name, text in texts.items()
    }


def _tunnel(name: str, blocks: tuple[str, ...], tools: Mapping[str, str]) -> Tunnel:
    return Tunnel(
        fixed_id("tunnel", name),
        name,
        tuple(_named(f"block/{name}", *blocks).values()),
        tuple(_typed(f"leadgentool/{name}", tools).values()),
    )


CONNECTIONS = _typed(
    "connection", {"Кредитний помічник": "TELEGRAM", "Сторінка компанії": "FACEBOOK", "Розсилка SMS": "SMS"}
)
CATEGORIES = _named("category", "Заявки", "Продажі")
TEMPLATES = _templates(
    "Заявки",
    {
        "Заявку отримано": "Вітаємо, {{name}}! Ми отримали вашу заявку на {{amount}} грн і вже її розглядаємо.",
        "Заявку погоджено": "{{name}}, вашу заявку на {{amount}} грн погоджено. Менеджер зателефонує вам.",
        "Кошти видано": "{{name}}, {{amount}} грн видано. Дякуємо, що ви з нами!",
        "Заявку відхилено": "{{name}}, на жаль, цього разу заявку відхилено. Спробуйте пізніше.",
    },
) | _templates("Продажі", {"Дякуємо за покупку": "{{name}}, дякуємо за покупку «{{offer}}»!\nСума: {{price}}."})
TAGS = _named("tag", "лід", "погоджено", "видано", "відмовлено", "трейдер")
TUNNELS = {
    tunnel.id: tunnel
    for tunnel in (
        _tunnel("Кредит онлайн", ("Вітання", "Нагадування"), {"Форма на сайті": "LANDING", "Імпорт": "IMPORT"}),
        _tunnel("Навчання трейдингу", ("Перший урок",), {"Реєстрація на курс": "LANDING"}),
    )
}
TUNNELS_BY_LEADGENTOOL = {tool.id: tunnel for tunnel in TUNNELS.values() for tool in tunnel.leadgentools}
USERS = _named("user", "Олена Коваль", "Ігор Бондар")
OFFERS = {
    offer.id: offer
    for offer in (
        Offer(
            fixed_id("offer", "Консультація"),
            "Консультація",
            "Година з фахівцем",
            Decimal(1500),
            "UAH",
            fixed_id("tunnel", "Кредит онлайн"),
        ),
        Offer(
            fixed_id("offer", "Курс трейдингу"),
            "Курс трейдингу",
            "Дванадцять уроків",
            Decimal("199.99"),
            "USD",
            fixed_id("tunnel", "Навчання трейдингу"),
        ),
    )
}
PAYMENT_CREDITS = {
    fixed_id("payment", name): PaymentCredit(fixed_id("payment", name), name, manual)
    for name, manual in (("Оплата вручну", True), ("Еквайринг", False))
}


def connection_of_type(kind: str) -> Typed | None:
    return next((connection for connection in CONNECTIONS.values() if connection.type == kind), None)
