"""What can be wrong with the configuration beyond TOML itself: its shape, and the names it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pkgutil import iter_modules
from typing import Any

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ValidationError

from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.feedback.postback import SUBMITTED
from leadbridge.domain.fields.unicode_text import fold
from leadbridge.domain.lead import LeadFields
from leadbridge.domain.routing.rules import FORM_PREFIX, TIME
from leadbridge.domain.statuses.outcomes import DeliveryOutcome
from leadbridge.forms import adapters as adapter_modules
from leadbridge.forms.base import FetchByIdAdapter, adapter_named
from leadbridge.partners.feedback.kinds import KINDS
from leadbridge.partners.kind import StatusSource
from leadbridge.partners.registry import kind_named, kind_names
from leadbridge.settings import Settings, self_check
from leadbridge.settings.browsers import ANY_PORT, is_on_own_machine
from tools.config.lines import Place
from tools.config.words import meant, sentence

Tables = dict[str, Any]

EVENTS = [SUBMITTED, *(one.value for one in DeliveryOutcome)]
_OWNERS = {"sources": "source", "partners": "partner"}
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
UTM_TAG = re.compile(r"utm\.utm_[a-z0-9_]+")


@dataclass(frozen=True)
class Wrong:
    """Something wrong, at a place in one of the tables."""

    table: str
    place: Place
    text: str

    def __str__(self) -> str:
        owner = _OWNERS.get(self.table)
        return f"{owner} {self.place[0]}: {self.text}" if owner and self.place else self.text


def wrongs_in(tables: Tables, environment: str) -> list[Wrong]:
    """Everything that is wrong with the configuration of one environment, as it was read from TOML."""
    found = [*_in_shape(tables), *_in_sources(tables, environment), *_in_partners(tables), *_in_notifications(tables)]
    if any(wrong.table == "sources" for wrong in found):
        return found  # a wrong line may be the one that names a partner
    return [*found, *_in_routes_to(tables)]


def adapters() -> list[str]:
    """The names of the adapters there are."""
    return [module.name for module in iter_modules(adapter_modules.__path__)]


def fields_of_a_lead() -> list[str]:
    """The dotted names of a lead's fields, but for the UTM tags, which have any names."""
    sections = {name: field.annotation for name, field in LeadFields.model_fields.items()}
    names: dict[str, Iterable[str]] = {
        section: kind.model_fields
        for section, kind in sections.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
    return [f"{section}.{name}" for section, known in {**names, "ids": IDS}.items() for name in known]


def _in_shape(tables: Tables) -> Iterator[Wrong]:
    try:
        settings = Settings.model_validate(tables)
    except ValidationError as error:
        found = error.errors(include_url=False)
    else:
        yield from _in_schedules(settings)
        yield from _in_next_partners(settings)
        return
    reported = set()
    for one in found:
        if not one["loc"]:
            continue  # a name that nothing has, which is found again below, with its place
        if one["type"] == "too_short" and one["input"]:
            continue  # what it has is wrong, which is reported separately
        table, *rest = one["loc"]
        place = _in_the_file(tables[str(table)], tuple(rest), is_missing=one["type"] == "missing")
        if (table, place) not in reported:
            reported.add((table, place))
            yield Wrong(str(table), place, sentence(one, place))


def _in_schedules(settings: Settings) -> Iterator[Wrong]:
    for name, partner in settings.partners.items():
        try:
            _ = partner.check_schedule
        except ValueError as error:
            yield Wrong("partners", (name, "cadence"), f"'cadence': {error}")


def _in_next_partners(settings: Settings) -> Iterator[Wrong]:
    """A partner that passes leads on needs a rule that does, and a rule that does needs such a partner."""
    passing = {
        (name, outcome)
        for name, partner in settings.partners.items()
        if (intake := partner.intake) is not None
        for outcome, then in (("capped", intake.when_capped), ("closed", intake.when_closed))
        if then == "next"
    }
    passed = set()
    for name, source in settings.sources.items():
        for number, rule in enumerate(source.partners):
            first = rule.partners if rule.weights else rule.partners[:-1]  # those that another one follows
            for outcome in sorted({"capped", "closed"}.intersection(rule.next_on)):
                found = {(partner, outcome) for partner in first} & passing
                passed |= found
                if not found:
                    text = (
                        f'next_on has "{outcome}", but no partner of the rule passes leads on then: write '
                        f'when_{outcome} = "next" in its section [….intake] of partners.toml, or remove "{outcome}"'
                    )
                    yield Wrong("sources", (name, "partners", number), text)
    for name, outcome in sorted(passing - passed):
        text = (
            f'when_{outcome} = "next", but no rule in sources.toml has a partner after {name!r} and "{outcome}" in '
            'next_on: add both to a rule, or write "wait" or "hold"'
        )
        yield Wrong("partners", (name, "intake", f"when_{outcome}"), text)


def _in_the_file(content: Any, place: Place, *, is_missing: bool) -> Place:
    """The place without the kinds that Pydantic names behind it where a value may be one of several."""
    for length, part in enumerate(place):
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return place[: length + is_missing]
    return place


def _in_sources(tables: Tables, environment: str) -> Iterator[Wrong]:
    for name, source in tables["sources"].items():
        if not SOURCE_NAME.fullmatch(name):
            yield Wrong("sources", (name,), "a name is part of an address: letters, digits and hyphens, 64 at most")
        if not isinstance(source, dict):
            continue
        adapter = source.get("adapter")
        if isinstance(adapter, str) and adapter not in (known := adapters()):
            yield Wrong("sources", (name, "adapter"), f"there is no adapter {adapter!r}{meant(adapter, known)}")
        elif isinstance(adapter, str) and isinstance(adapter_named(adapter), FetchByIdAdapter) is (
            "fetch" not in source
        ):
            text = f"a section [{name}.fetch] goes with forms whose posts only name leads, and with no others"
            yield Wrong("sources", (name, "fetch") if "fetch" in source else (name,), text)
        yield from _in_country("sources", name, source)
        yield from _in_partners_of(name, source.get("partners"), tables["partners"])
        yield from _in_fields_of(name, source)
        yield from _in_pages_of(name, source, environment)
        yield from _in_feedback_of(name, source)


def _in_country(table: str, name: str, section: dict[str, Any]) -> Iterator[Wrong]:
    country = section.get("phone_country")
    if isinstance(country, str) and re.fullmatch("[A-Z]{2}", country) and country not in SUPPORTED_REGIONS:
        yield Wrong(table, (name, "phone_country"), f'there is no country {country!r} (ISO 3166, such as "UA")')


def _in_partners_of(name: str, partners: Any, known: dict[str, Any]) -> Iterator[Wrong]:
    for number, route in enumerate(partners if isinstance(partners, list) else []):
        place: Place = (name, "partners", number)
        if isinstance(route, str) and route in partners[:number]:
            yield Wrong("sources", place, f"the partner {route!r} is named twice")
        for partner in _targets_of(route):
            if partner not in known:
                text = f"there is no partner {partner!r} in partners.toml{meant(partner, known)}"
                yield Wrong("sources", place, text)
        for path, _ in _items(route.get("when") if isinstance(route, dict) else None):
            if path != TIME and not path.startswith(FORM_PREFIX):
                yield from _unless_known("sources", place, path)


def _in_fields_of(name: str, source: dict[str, Any]) -> Iterator[Wrong]:
    labels: dict[str, str] = {}
    for label, path in _items(source.get("fields")):
        yield from _unless_known("sources", (name, "fields", label), path)
        twin = labels.setdefault(fold(label), label)
        if twin != label:
            yield Wrong("sources", (name, "fields", label), f"{twin!r} and {label!r} are one form field")
    for path, _ in _items(source.get("defaults")):
        yield from _unless_known("sources", (name, "defaults", path), path)


def _in_pages_of(name: str, source: dict[str, Any], environment: str) -> Iterator[Wrong]:
    listed = source.get("origins")
    origins: list[Any] = listed if isinstance(listed, list) else []
    places: list[tuple[Place, Any]] = [((name, "origins", number), origin) for number, origin in enumerate(origins)]
    places += [((name, page), source.get(page)) for page in ("thank_you", "try_again")]
    for place, address in places:
        if not isinstance(address, str) or not is_on_own_machine(address):
            continue
        if environment != "local":
            yield Wrong("sources", place, "an address of one's own machine belongs in sources.local.toml alone")
        if ANY_PORT in address and not any(ANY_PORT in str(origin) for origin in origins):
            text = f"{place[1]!r}: the port is that of the page that posts, so 'origins' must have one of any port too"
            yield Wrong("sources", place, text)
    honeypot = source.get("honeypot")
    if isinstance(honeypot, str):
        for label, _ in _items(source.get("fields")):
            if fold(label) == fold(honeypot):
                text = f"'honeypot': people fill in {label!r}, and their leads would be thrown away"
                yield Wrong("sources", (name, "honeypot"), text)


def _in_feedback_of(name: str, source: dict[str, Any]) -> Iterator[Wrong]:
    for tracker, section in _items(source.get("feedback")):
        place: Place = (name, "feedback", tracker)
        if not isinstance(section, dict):
            continue
        kind = section.get("kind")
        if isinstance(kind, str) and kind not in KINDS:
            text = (
                f"there is no kind of tracker {kind!r}{meant(kind, list(KINDS)) or '; there are ' + ', '.join(KINDS)}"
            )
            yield Wrong("sources", (*place, "kind"), text)
        for event, _ in _items(section.get("on")):
            if event not in EVENTS:
                known = meant(event, EVENTS) or f"; there are {', '.join(EVENTS)}"
                yield Wrong("sources", (*place, "on", event), f"there is no event {event!r}{known}")


def _in_partners(tables: Tables) -> Iterator[Wrong]:
    for name, partner in _items(tables["partners"]):
        if isinstance(partner, dict):
            yield from _in_country("partners", name, partner)
            yield from _in_kind_of(name, partner)
        requires = partner.get("requires") if isinstance(partner, dict) else None
        for number, path in enumerate(requires if isinstance(requires, list) else []):
            yield from _unless_known("partners", (name, "requires", number), path)
        account = partner.get("account") if isinstance(partner, dict) else None
        for label, path in _items(account.get("fields") if isinstance(account, dict) else None):
            yield from _unless_known("partners", (name, "account", "fields", label), path)


def _in_kind_of(name: str, partner: dict[str, Any]) -> Iterator[Wrong]:
    kind = partner.get("kind")
    if not isinstance(kind, str):
        return
    if kind not in (known := kind_names()):
        text = f"there is no partner kind {kind!r}{meant(kind, known) or '; there are ' + ', '.join(known)}"
        yield Wrong("partners", (name, "kind"), text)
        return
    wanted, other = ("sync", "cadence") if kind_named(kind).status is StatusSource.SYNC else ("cadence", "sync")
    if wanted not in partner and other in partner:
        yield Wrong("partners", (name, other), f"a partner of kind {kind!r} needs {wanted!r} instead of {other!r}")


def _in_routes_to(tables: Tables) -> Iterator[Wrong]:
    """A partner gets leads from a source, or from operators only. The source of the deployment's test lead is none."""
    for name, partner in _items(tables["partners"]):
        sources = [source for source, rules in _items(tables["sources"]) if name in _targets(rules)]
        routes = [source for source in sources if source != self_check.SOURCE]
        is_by_hand = isinstance(partner, dict) and partner.get("by_hand") is True
        if is_by_hand and routes:
            text = f"source {routes[0]!r} sends it leads, so remove 'by_hand', or the partner from the source"
            yield Wrong("partners", (name, "by_hand"), text)
        elif not is_by_hand and not routes:
            text = (
                "no source sends it leads: add it to 'partners' of a source in sources.toml, "
                "or set by_hand = true if only operators send it leads"
            )
            yield Wrong("partners", (name,), text)


def _targets(source: Any) -> Iterator[str]:
    """The partners that the rules of a source name."""
    rules = source.get("partners") if isinstance(source, dict) else None
    for rule in rules if isinstance(rules, list) else []:
        yield from _targets_of(rule)


def _targets_of(rule: Any) -> Iterator[str]:
    to = rule.get("to") if isinstance(rule, dict) else rule
    for target in to if isinstance(to, list) else [to]:
        partner = target.get("partner") if isinstance(target, dict) else target
        if isinstance(partner, str):
            yield partner


def _in_notifications(tables: Tables) -> Iterator[Wrong]:
    """People get a message about each change of a status, with the partner's own texts."""
    partners = dict(_items(tables["partners"]))
    notifications = dict(_items(tables["messages"].get("notifications")))
    for name in notifications:
        if name not in partners:
            text = f"[notifications.{name}]: there is no partner {name!r} in partners.toml{meant(name, partners)}"
            yield Wrong("messages", ("notifications", name), text)
    for name in partners:
        if name not in notifications:
            text = (
                f"there are no texts about its statuses: add [notifications.{name}.default] to messages.toml, "
                "with texts, or with on = false for no messages"
            )
            yield Wrong("partners", (name,), text)


def _unless_known(table: str, place: Place, path: Any) -> Iterator[Wrong]:
    if isinstance(path, str) and not UTM_TAG.fullmatch(path) and path not in (known := fields_of_a_lead()):
        without_section = next((name for name in known if name.endswith(f".{path}")), path)
        yield Wrong(table, place, f"a lead has no field {path!r}{meant(without_section, known)}")


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
