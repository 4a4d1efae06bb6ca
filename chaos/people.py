"""Who fills in which form: people drawn from a seed, and the posts that their forms make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any
from urllib.parse import urlencode

from events.sign import sender_of
from leadbridge.forms.adapter import Request

META = "meta-credit"
CREDIT = ("web", "plain-credit", META)
SOURCES = {"web": 8, "web-trading": 6, "plain-credit": 4, META: 2}
"""How often each is chosen, of twenty."""

SURNAMES = ("Прикладенко", "Зразковий", "Показна", "Вигаданий")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Visitor:
    """Somebody who fills in a form. `number` is new for each, and with it phone and e-mail; `again` asks once more."""

    number: int
    run: str
    name: str
    amount: int
    again: int = 0

    @property
    def phone(self) -> str:
        """E.164; no two of a run have the same."""
        return f"+38050{self.number:07d}"

    @property
    def email(self) -> str:
        """No two people of any runs have the same: brokers know people by it."""
        return f"chaos.{self.run}.{self.number}@example.com"

    def lead(self) -> dict[str, Any]:
        """What they say, as the source `web` sends it."""
        person = {
            "full_name": self.name,
            "phone": self.phone,
            "email": self.email,
            "tax_number": "3068208400",
            "activity": "вчителька",
        }
        return {"person": person, "loan": {"amount": f"{self.amount}.00", "term": 12}}

    def at_meta(self) -> dict[str, str]:
        """What they say in Meta's form."""
        return {
            "full_name": self.name,
            "phone_number": self.phone,
            "email": self.email,
            "ваш_податковий_номер_(рнокпп)?": "3068208400",
            "ким_ви_працюєте?": "вчителька",
            "яка_сума_вам_потрібна,_грн?": str(self.amount),
            "на_скільки_місяців?": "12",
        }

    @property
    def leadgen_id(self) -> str:
        """What Meta calls their lead."""
        return f"7{int(self.run, 16) % 10**8:08d}{self.number:06d}"


@dataclass(frozen=True)
class Post:
    """One post of a form, unproven; the same `post_id` is the same lead."""

    source: str
    visitor: Visitor
    post_id: str
    body: bytes
    content_type: str

    def proven(self, secret: str, now: datetime) -> Request:
        """The post as it goes out now, proven by whoever has the secret."""
        headers = {"content-type": self.content_type, "webhook-id": self.post_id}
        return sender_of(self.source).prove(Request(headers, {}, self.body), secret, now)


def visitors(random: Random, run: str) -> Iterator[Visitor]:
    """People without end."""
    number = 0
    while True:
        number += 1
        name = f"{random.choice(SURNAMES)} Олена Іванівна"
        # Above half a million the lender declines in the end.
        yield Visitor(number, run, name, random.choice([6000, 12_500, 99_000, 600_000]))


def posts(random: Random, run: str) -> Iterator[Post]:
    """Posts without end, of several sources; some people ask twice."""
    asked: list[Visitor] = []
    for visitor in visitors(random, run):
        (source,) = random.choices(list(SOURCES), list(SOURCES.values()))
        if source == "plain-credit":
            asked.append(visitor)
            if random.random() < 0.2:
                first = random.choice(asked)
                yield post_of(source, replace(visitor, number=first.number, again=visitor.number))
                continue
        yield post_of(source, visitor)


def post_of(source: str, visitor: Visitor) -> Post:
    """The post that somebody's form makes."""
    post_id = f"post-{visitor.run}-{visitor.again or visitor.number}"
    match source:
        case "plain-credit":
            fields = {
                "your-name": visitor.name,
                "your-phone": visitor.phone,
                "your-email": visitor.email,
                "your-tax-number": "3068208400",
                "your-activity": "вчителька",
                "amount": visitor.amount + visitor.again,
                "term": 12,
                "consent": "так",
            }
            return Post(source, visitor, post_id, urlencode(fields).encode(), FORM)
        case "meta-credit":
            value = {"leadgen_id": visitor.leadgen_id, "page_id": "1", "created_time": 1_700_000_000}
            change = {"field": "leadgen", "value": value}
            body = {"object": "page", "entry": [{"id": "1", "time": 1, "changes": [change]}]}
            return Post(source, visitor, post_id, json.dumps(body).encode(), JSON)
        case _:
            body = visitor.lead()
            return Post(source, visitor, post_id, json.dumps(body, ensure_ascii=False).encode(), JSON)
