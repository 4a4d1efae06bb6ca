"""Random people, and the posts of their forms."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from random import Random
from typing import Any
from urllib.parse import urlencode

from devstack.partners import partner_profiles
from events.sign import Sender, sender_of
from leadbridge.forms.base import Request
from quality.chaos.typed_values import LEFT_OUT, Style, draw_styles

META = "meta-credit"
CREDIT = ("web", "plain-credit", META)
SOURCES = {"web": 6, "web-trading": 5, "plain-credit": 6, META: 3}
"""The weight of each source."""
MANY_REPEATS = {"web": 2, "web-trading": 2, "plain-credit": 14, META: 2}
"""The same for a run in which most people post again."""
DEPLOYED = {"web": 5, "web-trading": 4, "plain-credit": 2, META: 2, "local-order": 4, "local-repeats": 3}
DEPLOYED |= {"local-lenders": 4, "local-brokers": 6, "local-feedback": 4}
"""The same over the deployed stack, with the sources of the local configuration."""
FORMS = {"local-repeats": "plain-credit"} | dict.fromkeys(
    ("local-order", "local-lenders", "local-brokers", "local-feedback"), "web"
)
"""The form of a local source."""
PLAIN_NAMES = {
    "person.full_name": "your-name",
    "person.phone": "your-phone",
    "person.email": "your-email",
    "person.tax_number": "your-tax-number",
    "person.activity": "your-activity",
    "loan.amount": "amount",
    "loan.term": "term",
}
META_NAMES = {
    "person.full_name": "full_name",
    "person.phone": "phone_number",
    "person.email": "email",
    "person.tax_number": "ваш_податковий_номер_(рнокпп)?",
    "person.activity": "ким_ви_працюєте?",
    "loan.amount": "яка_сума_вам_потрібна,_грн?",
    "loan.term": "на_скільки_місяців?",
}
WITH_REPEATS = frozenset({"plain-credit", "local-repeats"})  # the sources to which some people post again

SURNAMES = ("Прикладенко", "Зразковий", "Показна", "Вигаданий")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
REPEATED = 0.45  # the share of posts to `plain-credit` that come from a person who posted there before
RECENT = 3  # people who may post again
LENDER_LESS = 0.15  # the share of people without the fields that only the lender requires
IN_PARTS = 0.3  # the share of people whose form asks for the parts of the name


@dataclass(frozen=True)
class Visitor:
    """A person who fills in a form. `number` is new for each post.

    `phone_of`, `tax_number_of` and `email_of` are the numbers of earlier posts of the same person. `refused_by` are the
    partners that permanently refuse the person. `styles` are unusual ways in which they type values, by lead field.
    `is_in_parts`: the form asks for the parts of the name.
    """

    number: int
    run: str
    name: str
    amount: int
    phone_of: int = 0
    tax_number_of: int = 0
    email_of: int = 0
    refused_by: frozenset[str] = frozenset()
    styles: Mapping[str, Style] = field(default_factory=dict)
    is_in_parts: bool = False

    @property
    def phone(self) -> str:
        """E.164, unique unless `phone_of` is set."""
        return f"+38050{self.phone_of or self.number:07d}"

    @property
    def email(self) -> str:
        """Unique among all runs, because brokers identify people by it."""
        return f"chaos.{self.run}.{self.email_of or self.number}@example.com"

    @property
    def tax_number(self) -> str:
        """Ten digits. Partners refuse those that begin with 9."""
        is_refused = any(partner_profiles()[name].refused_by == "tax_number" for name in self.refused_by)
        return f"{9 if is_refused else 3}{self.tax_number_of or self.number:09d}"

    @property
    def values(self) -> dict[str, str]:
        """The true values, by lead field."""
        return {
            "person.full_name": self.name,
            "person.phone": self.phone,
            "person.email": self.email,
            "person.tax_number": self.tax_number,
            "person.activity": "вчителька",
            "loan.amount": str(self.amount),
            "loan.term": "12",
        }

    @property
    def typed(self) -> dict[str, str]:
        """What they type, by lead field. A field that they leave empty is missing."""
        typed = {
            path: self.styles[path].write(value, self.number) if path in self.styles else value
            for path, value in self.values.items()
        }
        return {path: text for path, text in typed.items() if text is not None}

    @property
    def unusable(self) -> frozenset[str]:
        """The lead fields that they leave empty, or fill with what cannot be read."""
        return frozenset(path for path, style in self.styles.items() if not style.is_usable)

    def lead(self) -> dict[str, Any]:
        """What they type, as the source `web` sends it."""
        lead: dict[str, dict[str, str]] = {"person": {}, "loan": {}}
        for path, text in self.typed.items():
            section, _, name = path.partition(".")
            lead[section][name] = text
        if self.is_in_parts and "person.full_name" not in self.styles:
            names = lead["person"].pop("full_name").split()
            lead["person"] |= dict(zip(("last_name", "first_name", "middle_name"), names, strict=True))
        return lead

    def fill_in(self, names: Mapping[str, str]) -> dict[str, str]:
        """What they type in a form; `names` are its fields' names by lead field."""
        return {names[path]: text for path, text in self.typed.items()}

    @property
    def leadgen_id(self) -> str:
        return f"7{int(self.run, 16) % 10**8:08d}{self.number:06d}"


@dataclass(frozen=True)
class Post:
    """One post of a form, not signed yet. The same `post_id` is the same lead."""

    source: str
    visitor: Visitor
    post_id: str
    body: bytes
    content_type: str

    def proven(self, secret: str, now: datetime) -> Request:
        """The post, signed now."""
        headers = {"content-type": self.content_type, "webhook-id": self.post_id}
        return _sender(self.source).sign_request(Request(headers, {}, self.body), secret, now)


def visitors(random: Random, run: str) -> Iterator[Visitor]:
    """An endless sequence of people."""
    number, typing = 0, Random(run)
    while True:
        number += 1
        name = f"{random.choice(SURNAMES)} Олена Іванівна"
        refused_by = frozenset(name for name, one in partner_profiles().items() if random.random() < one.refused_share)
        # Above half a million the lender declines in the end.
        amount = random.choice([6000, 12_500, 99_000, 600_000])
        is_in_parts = typing.random() < IN_PARTS
        yield Visitor(number, run, name, amount, 0, 0, 0, refused_by, draw_styles(typing), is_in_parts)


def posts(
    random: Random, run: str, ordered: frozenset[str] = frozenset(), sources: Mapping[str, int] = SOURCES
) -> Iterator[Post]:
    """An endless sequence of posts of several sources; some people post twice.

    `ordered` are the sources that try the broker after the lender. Some of their people lack what the lender requires.
    """
    asked: dict[str, list[Visitor]] = defaultdict(list)
    for drawn in visitors(random, run):
        visitor = drawn
        (source,) = random.choices(list(sources), list(sources.values()))
        if source in WITH_REPEATS:
            if asked[source] and random.random() < REPEATED:
                visitor = _again(random, drawn, random.choice(asked[source][-RECENT:]))
            asked[source].append(visitor)
        elif source in ordered and random.random() < LENDER_LESS:
            lacking = {"person.tax_number": LEFT_OUT, "person.activity": LEFT_OUT}
            visitor = replace(drawn, refused_by=frozenset(), styles={**drawn.styles, **lacking})
        yield post_of(source, visitor)


def _again(random: Random, visitor: Visitor, before: Visitor) -> Visitor:
    """A repeated person, by phone, by tax number, or by both. A refused tax number stays refused."""
    shares = random.choice(["both", "both", "phone", "tax_number"])
    is_same_number = shares != "phone"
    return replace(
        visitor,
        amount=visitor.amount + visitor.number,  # the content differs from the first post
        phone_of=(before.phone_of or before.number) if shares != "tax_number" else 0,
        tax_number_of=(before.tax_number_of or before.number) if is_same_number else 0,
        email_of=(before.email_of or before.number) if shares == "both" else 0,
        refused_by=before.refused_by if is_same_number else visitor.refused_by,
    )


def post_of(source: str, visitor: Visitor) -> Post:
    post_id = f"post-{visitor.run}-{visitor.number}"
    match FORMS.get(source, source):
        case "plain-credit":
            fields = {**visitor.fill_in(PLAIN_NAMES), "consent": "так"}
            return Post(source, visitor, post_id, urlencode(fields).encode(), FORM)
        case "meta-credit":
            value = {"leadgen_id": visitor.leadgen_id, "page_id": "1", "created_time": 1_700_000_000}
            change = {"field": "leadgen", "value": value}
            body = {"object": "page", "entry": [{"id": "1", "time": 1, "changes": [change]}]}
            return Post(source, visitor, post_id, json.dumps(body).encode(), JSON)
        case _:
            body = visitor.lead()
            return Post(source, visitor, post_id, json.dumps(body, ensure_ascii=False).encode(), JSON)


@cache
def _sender(source: str) -> Sender:
    return sender_of(FORMS.get(source, source))
