"""Who fills in which form: people drawn from a seed, and the posts that their forms make."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from random import Random
from typing import Any
from urllib.parse import urlencode

from events.sign import Sender, sender_of
from leadbridge.forms.base import Request

META = "meta-credit"
CREDIT = ("web", "plain-credit", META)
SOURCES = {"web": 6, "web-trading": 5, "plain-credit": 6, META: 3}
"""How often each is chosen, of twenty."""
MANY_REPEATS = {"web": 2, "web-trading": 2, "plain-credit": 14, META: 2}
"""The same for a run in which most people post again."""
DEPLOYED = {"web": 5, "web-trading": 4, "plain-credit": 2, META: 2, "local-order": 4, "local-repeats": 3}
"""The same over the deployed stack, whose configuration is the local one: it has two sources for these runs alone."""
FORMS = {"local-order": "web", "local-repeats": "plain-credit"}  # whose form a local source has
WITH_REPEATS = frozenset({"plain-credit", "local-repeats"})  # the sources to which some people post again

SURNAMES = ("Прикладенко", "Зразковий", "Показна", "Вигаданий")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
REFUSED = {"leadleader": 0.15, "matchtrade": 0.1}  # the share of people that each partner refuses for good
REPEATED = 0.45  # the share of posts to `plain-credit` that come from a person who posted there before
RECENT = 3  # so many of the latest people may post again
INCOMPLETE = 0.15  # the share of people who leave out what the lender requires, where another partner can take them


@dataclass(frozen=True)
class Visitor:
    """Somebody who fills in a form. `number` is new for each post.

    `phone_of`, `tax_number_of` and `email_of` are the numbers of the posts whose person has the same: another number
    than one's own is a person who came before. `refused_by` are the partners that refuse this person for good.
    `is_incomplete` says that the form leaves out what the lender requires and the broker does not.
    """

    number: int
    run: str
    name: str
    amount: int
    phone_of: int = 0
    tax_number_of: int = 0
    email_of: int = 0
    refused_by: frozenset[str] = frozenset()
    is_incomplete: bool = False

    @property
    def phone(self) -> str:
        """E.164; two people of a run have the same only if the plan says so."""
        return f"+38050{self.phone_of or self.number:07d}"

    @property
    def email(self) -> str:
        """No two people of any runs have the same: brokers know people by it."""
        return f"chaos.{self.run}.{self.email_of or self.number}@example.com"

    @property
    def tax_number(self) -> str:
        """Ten digits. Those that begin with 9 are the numbers that the lender refuses."""
        return f"{9 if 'leadleader' in self.refused_by else 3}{self.tax_number_of or self.number:09d}"

    def lead(self) -> dict[str, Any]:
        """What they say, as the source `web` sends it."""
        person = {"full_name": self.name, "phone": self.phone, "email": self.email}
        if not self.is_incomplete:
            person |= {"tax_number": self.tax_number, "activity": "вчителька"}
        return {"person": person, "loan": {"amount": f"{self.amount}.00", "term": 12}}

    def at_meta(self) -> dict[str, str]:
        """What they say in Meta's form."""
        answers = {
            "full_name": self.name,
            "phone_number": self.phone,
            "email": self.email,
            "яка_сума_вам_потрібна,_грн?": str(self.amount),
            "на_скільки_місяців?": "12",
        }
        if not self.is_incomplete:
            answers |= {"ваш_податковий_номер_(рнокпп)?": self.tax_number, "ким_ви_працюєте?": "вчителька"}
        return answers

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
        return _sender(self.source).sign_request(Request(headers, {}, self.body), secret, now)


def visitors(random: Random, run: str) -> Iterator[Visitor]:
    """People without end."""
    number = 0
    while True:
        number += 1
        name = f"{random.choice(SURNAMES)} Олена Іванівна"
        refused_by = frozenset(partner for partner, share in REFUSED.items() if random.random() < share)
        # Above half a million the lender declines in the end.
        yield Visitor(number, run, name, random.choice([6000, 12_500, 99_000, 600_000]), refused_by=refused_by)


def posts(
    random: Random, run: str, ordered: frozenset[str] = frozenset(), sources: Mapping[str, int] = SOURCES
) -> Iterator[Post]:
    """Posts without end, of several sources; some people post twice.

    `ordered` are the sources that try the broker after the lender: some of their people lack what the lender requires.
    """
    asked: dict[str, list[Visitor]] = defaultdict(list)
    for drawn in visitors(random, run):
        visitor = drawn
        (source,) = random.choices(list(sources), list(sources.values()))
        if source in WITH_REPEATS:
            if asked[source] and random.random() < REPEATED:
                visitor = _again(random, drawn, random.choice(asked[source][-RECENT:]))
            asked[source].append(visitor)
        elif source in ordered and random.random() < INCOMPLETE:
            visitor = replace(drawn, refused_by=frozenset(), is_incomplete=True)
        yield post_of(source, visitor)


def _again(random: Random, visitor: Visitor, before: Visitor) -> Visitor:
    """A person who came before, by phone, by tax number, or by both. A tax number that is refused stays refused."""
    shares = random.choice(["both", "both", "phone", "tax_number"])
    is_same_number = shares != "phone"
    return replace(
        visitor,
        amount=visitor.amount + visitor.number,  # another content than before
        phone_of=(before.phone_of or before.number) if shares != "tax_number" else 0,
        tax_number_of=(before.tax_number_of or before.number) if is_same_number else 0,
        email_of=(before.email_of or before.number) if shares == "both" else 0,
        refused_by=before.refused_by if is_same_number else visitor.refused_by,
    )


def post_of(source: str, visitor: Visitor) -> Post:
    """The post that somebody's form makes."""
    post_id = f"post-{visitor.run}-{visitor.number}"
    match FORMS.get(source, source):
        case "plain-credit":
            fields = {
                "your-name": visitor.name,
                "your-phone": visitor.phone,
                "your-email": visitor.email,
                "your-tax-number": visitor.tax_number,
                "your-activity": "вчителька",
                "amount": visitor.amount,
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


@cache
def _sender(source: str) -> Sender:
    return sender_of(FORMS.get(source, source))
