"""Random people, how they type, and the posts of their forms."""

import itertools
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from devstack.partners import partner_profiles
from devstack.workdir import PROJECT
from leadbridge.forms.base import Request, adapter_named
from quality.testkit.forms.posts import URLENCODED, request
from tools.config import read_toml

META = "meta-credit"
SURNAMES = ("Прикладенко", "Зразковий", "Показна", "Вигаданий")
REPEATED = 0.45  # the share of posts to plain forms that come from a person who posted there before
RECENT = 3  # people who may post again
LENDER_LESS = 0.15  # the share of people without the fields that only the lender requires
IN_PARTS = 0.3  # the share of people whose form asks for the parts of the name
SHARE_TYPED = 0.3  # of people who type some values in an unusual way that can be read
SHARE_UNUSABLE = 0.4  # of people with one or two values that cannot be used

_FILE: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
READABLE, UNUSABLE = _FILE["readable"], _FILE["unusable"]
SOURCES, MANY_REPEATS, DEPLOYED = (_FILE["sources"][name] for name in ("usual", "many_repeats", "deployed"))


@dataclass(frozen=True)
class Visitor:
    """A person who fills in a form. `number` is new for each post.

    `phone_of`, `tax_number_of` and `email_of` are the numbers of earlier posts of the same person. `styles` is how they
    type some lead fields, and `unusable` those that they leave empty, or fill with what cannot be read.
    """

    number: int
    run: str
    name: str
    amount: int
    phone_of: int = 0
    tax_number_of: int = 0
    email_of: int = 0
    refused_by: frozenset[str] = frozenset()  # partners, permanently
    styles: Mapping[str, str] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()
    is_in_parts: bool = False  # the form asks for the parts of the name

    @property
    def phone(self) -> str:
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
        more = {"number": self.number, "local": self.phone[4:], "thousands": f"{self.amount:,}".replace(",", " ")}
        typed = {path: self.styles.get(path, "{value}").format(value=one, **more) for path, one in self.values.items()}
        return {path: text for path, text in typed.items() if text}

    def fill_in(self, source: str) -> dict[str, str]:
        """What they type in a source's form, by the form's names of the fields."""
        names = {path: name for name, path in _settings(source)["fields"].items()}
        return {names[path]: text for path, text in self.typed.items()}

    @property
    def leadgen_id(self) -> str:
        return f"7{int(self.run, 16) % 10**8:08d}{self.number:06d}"


@dataclass(frozen=True)
class Post:
    """One post of a form, not signed yet. The same `post_id` is the same lead."""

    source: str
    visitor: Visitor

    @property
    def post_id(self) -> str:
        return f"post-{self.visitor.run}-{self.visitor.number}"

    def proven(self, secret: str, now: datetime) -> Request:
        adapter, visitor, content_type = _settings(self.source)["adapter"], self.visitor, ""
        content: dict[str, Any]
        if adapter == "meta":
            value = {"leadgen_id": visitor.leadgen_id, "page_id": "1", "created_time": 1_700_000_000}
            change = {"field": "leadgen", "value": value}
            content = {"object": "page", "entry": [{"id": "1", "time": 1, "changes": [change]}]}
        elif adapter == "plain":
            content, content_type = {**visitor.fill_in(self.source), "consent": "так"}, URLENCODED
        else:
            content = {"person": {}, "loan": {}} | sections(visitor.typed)
            if visitor.is_in_parts and "person.full_name" not in visitor.styles:
                names = content["person"].pop("full_name").split()
                content["person"] |= dict(zip(("last_name", "first_name", "middle_name"), names, strict=True))
        unsigned = request(content, content_type, **{"webhook-id": self.post_id})
        return adapter_named(adapter).sign_request(unsigned, secret, now)


def posts(random: Random, run: str, ordered: frozenset[str], sources: Mapping[str, int]) -> Iterator[Post]:
    """Posts without end. Some people post a plain form again; some of `ordered` sources lack what lenders require."""
    asked: dict[str, list[Visitor]] = defaultdict(list)
    typing = Random(run)
    for number in itertools.count(1):
        name = f"{random.choice(SURNAMES)} Олена Іванівна"
        refused_by = frozenset(name for name, one in partner_profiles().items() if random.random() < one.refused_share)
        amount = random.choice([6000, 12_500, 99_000, 600_000])  # above half a million the lender declines in the end
        is_in_parts = typing.random() < IN_PARTS
        visitor = Visitor(number, run, name, amount, 0, 0, 0, refused_by, *_styles(typing), is_in_parts)
        (source,) = random.choices(list(sources), list(sources.values()))
        if _settings(source)["adapter"] == "plain":
            if asked[source] and random.random() < REPEATED:
                visitor = _again(random, visitor, random.choice(asked[source][-RECENT:]))
            asked[source].append(visitor)
        elif source in ordered and random.random() < LENDER_LESS:
            styles = {**visitor.styles, "person.tax_number": "", "person.activity": ""}
            unusable = visitor.unusable | {"person.tax_number", "person.activity"}
            visitor = replace(visitor, refused_by=frozenset(), styles=styles, unusable=unusable)
        yield Post(source, visitor)


def sections(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Values by lead field, as the nested object of the API."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path, value in values.items():
        section, _, name = path.partition(".")
        found[section][name] = value
    return dict(found)


def _styles(random: Random) -> tuple[dict[str, str], frozenset[str]]:
    """Draw how one person types: as expected, in unusual ways, or with one or two values that cannot be used."""
    drawn, styles, unusable = random.random(), dict[str, str](), list[str]()
    if drawn < SHARE_TYPED + SHARE_UNUSABLE:
        styles = {path: random.choice(ways) for path, ways in READABLE.items() if random.random() < 0.5}
    if drawn < SHARE_UNUSABLE:
        unusable = random.sample(sorted(UNUSABLE), random.choice([1, 1, 2]))
        styles |= {path: random.choice(UNUSABLE[path]) for path in unusable}
    return styles, frozenset(unusable)


def _again(random: Random, visitor: Visitor, before: Visitor) -> Visitor:
    """A repeated person, by phone, by tax number, or by both. A refused tax number stays refused."""
    everything = ("phone_of", "tax_number_of", "email_of")
    kept = random.choice([everything, everything, ("phone_of",), ("tax_number_of",)])
    changes: dict[str, Any] = {name: getattr(before, name) or before.number for name in kept}
    if "tax_number_of" in kept:
        changes["refused_by"] = before.refused_by
    return replace(visitor, amount=visitor.amount + visitor.number, **changes)  # the content differs


@cache
def _settings(source: str) -> dict[str, Any]:
    """A source of the local configuration."""
    return dict(read_toml(PROJECT / "config", "local")["sources"][source])
