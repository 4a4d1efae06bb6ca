"""What can be wrong with the configuration beyond TOML itself: the shape of a section, then the names in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pkgutil import iter_modules
from typing import Any

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ValidationError

from leadbridge.api.params import validation_message
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
from leadbridge.settings import Partner, Settings, Source, self_check
from leadbridge.settings.alerts import AlertSettings
from leadbridge.settings.browsers import ANY_PORT, is_on_own_machine
from leadbridge.settings.messages import MessageSettings

Tables = dict[str, Any]
Place = tuple[str | int, ...]
Found = tuple[Place, str]  # a place in a section, and what is wrong with it

TABLES = tuple(Settings.model_fields)
EVENTS = [SUBMITTED, *(one.value for one in DeliveryOutcome)]
_SECTIONS: dict[str, type[BaseModel]] = {"sources": Source, "partners": Partner}
_WHOLE: dict[str, type[BaseModel]] = {"messages": MessageSettings, "alerts": AlertSettings}
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
UTM_TAG = re.compile(r"utm\.utm_[a-z0-9_]+")
_MUST = {
    "string_type": "must be text in quotes",
    "tuple_type": 'must be a list such as ["one", "two"]',
    "dict_type": "must be a table of settings",
    "model_type": "must be a table of settings",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


@dataclass(frozen=True)
class Wrong:
    table: str
    place: Place
    text: str

    def __str__(self) -> str:
        is_named = self.table in _SECTIONS and self.place
        return f"{self.table.removesuffix('s')} {self.place[0]}: {self.text}" if is_named else self.text


def wrongs_in(tables: Tables, environment: str) -> list[Wrong]:
    """Everything that is wrong with the configuration of one environment, as it was read from TOML."""
    right: dict[str, dict[str, Any]] = {"sources": {}, "partners": {}, "messages": {}, "alerts": {}}
    found: list[Wrong] = []
    sections = [(table, (name,), one) for table in _SECTIONS for name, one in tables[table].items()]
    for table, place, section in (*sections, *((table, (), tables[table]) for table in _WHOLE)):
        model = _SECTIONS.get(table) or _WHOLE[table]
        try:
            right[table]["".join(place)] = model.model_validate(section)
        except ValidationError as error:
            found += _in_shape(table, place, section, model, error)
    partners = list(tables["partners"])
    text = "a name is part of an address: letters, digits and hyphens, 64 at most"
    found += [Wrong("sources", (name,), text) for name in tables["sources"] if not SOURCE_NAME.fullmatch(name)]
    for name, source in right["sources"].items():
        found += [Wrong("sources", (name, *place), text) for place, text in _in_source(source, partners, environment)]
    for name, partner in right["partners"].items():
        found += [Wrong("partners", (name, *place), text) for place, text in _in_partner(partner)]
    for settings in right["messages"].values():
        found += _in_notifications(settings, partners)
    if not any(wrong.table in _SECTIONS for wrong in found):  # a wrong section may be the one that names a partner
        found += _in_routes(right["sources"], right["partners"])
        found += _in_next_partners(right["sources"], right["partners"])
    return found


def adapters() -> list[str]:
    return [module.name for module in iter_modules(adapter_modules.__path__)]


def fields_of_a_lead() -> list[str]:
    """The dotted names of a lead's fields, but for the UTM tags, which have any names."""
    sections: dict[str, Any] = {name: field.annotation for name, field in LeadFields.model_fields.items()}
    names = {section: [*getattr(kind, "model_fields", ())] for section, kind in sections.items()} | {"ids": [*IDS]}
    return [f"{section}.{name}" for section, known in names.items() for name in known]


def _in_shape(
    table: str, section: Place, content: Any, model: type[BaseModel], error: ValidationError
) -> Iterator[Wrong]:
    reported = set()
    for one in error.errors(include_url=False):
        if one["type"] == "too_short" and one["input"]:
            continue  # what it has is wrong, which is reported separately
        place = (*section, *_in_the_file(content, one["loc"], is_missing=one["type"] == "missing"))
        if place not in reported:
            reported.add(place)
            yield Wrong(table, place, sentence(one, place, model))


def _in_the_file(content: Any, place: Place, *, is_missing: bool) -> Place:
    """The place without the kinds that Pydantic names behind it where a value may be one of several."""
    for length, part in enumerate(place):
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return place[: length + is_missing]
    return place


def _in_source(source: Source, partners: list[str], environment: str) -> Iterator[Found]:
    if source.adapter not in (known := adapters()):
        yield ("adapter",), f"there is no adapter {source.adapter!r}{meant(source.adapter, known)}"
    elif isinstance(adapter_named(source.adapter), FetchByIdAdapter) is (source.fetch is None):
        text = "a section [….fetch] goes with forms whose posts only name leads, and with no others"
        yield ("fetch",) if source.fetch else (), text
    yield from _in_country(source.phone_country)
    named: list[tuple[str, ...]] = []
    for number, rule in enumerate(source.partners):
        place: Place = ("partners", number)
        if not rule.when and rule.partners in named and len(rule.partners) == 1:
            yield place, f"the partner {rule.partners[0]!r} is named twice"
        named.append(rule.partners)
        for partner in rule.partners:
            if partner not in partners:
                yield place, f"there is no partner {partner!r} in partners.toml{meant(partner, partners)}"
        for path in rule.when:
            if path != TIME and not path.startswith(FORM_PREFIX):
                yield from _unless_known(place, path)
    yield from _in_fields(source)
    yield from _in_pages(source, environment)
    yield from _in_feedback(source)


def _in_fields(source: Source) -> Iterator[Found]:
    labels: dict[str, str] = {}
    for label, path in source.fields.items():
        yield from _unless_known(("fields", label), path)
        twin = labels.setdefault(fold(label), label)
        if twin != label:
            yield ("fields", label), f"{twin!r} and {label!r} are one form field"
    for path in source.defaults:
        yield from _unless_known(("defaults", path), path)
    if source.honeypot and (label := labels.get(fold(source.honeypot), "")):
        yield ("honeypot",), f"'honeypot': people fill in {label!r}, and their leads would be thrown away"


def _in_pages(source: Source, environment: str) -> Iterator[Found]:
    pages: list[tuple[Place, str | None]] = [(("thank_you",), source.thank_you), (("try_again",), source.try_again)]
    for place, address in [*((("origins", n), one) for n, one in enumerate(source.origins)), *pages]:
        if address is None or not is_on_own_machine(address):
            continue
        if environment != "local":
            yield place, "an address of one's own machine belongs in sources.local.toml alone"
        if ANY_PORT in address and not any(ANY_PORT in origin for origin in source.origins):
            text = "the port is that of the page that posts, so 'origins' must have one of any port too"
            yield place, f"{place[0]!r}: {text}"


def _in_feedback(source: Source) -> Iterator[Found]:
    for name, tracker in source.feedback.items():
        place: Place = ("feedback", name)
        if tracker.kind not in KINDS:
            yield (*place, "kind"), f"there is no kind of tracker {tracker.kind!r}{_meant_or_all(tracker.kind, KINDS)}"
        for event in tracker.on:
            if event not in EVENTS:
                yield (*place, "on", event), f"there is no event {event!r}{_meant_or_all(event, EVENTS)}"


def _in_partner(partner: Partner) -> Iterator[Found]:
    yield from _in_country(partner.phone_country)
    if partner.kind not in (kinds := kind_names()):
        yield ("kind",), f"there is no partner kind {partner.kind!r}{_meant_or_all(partner.kind, kinds)}"
    elif (kind_named(partner.kind).status is StatusSource.SYNC) is (partner.sync is None):
        wanted, other = ("sync", "cadence") if partner.sync is None else ("cadence", "sync")
        yield (other,), f"a partner of kind {partner.kind!r} needs {wanted!r} instead of {other!r}"
    for number, path in enumerate(partner.requires):
        yield from _unless_known(("requires", number), path)
    for label, path in partner.account.fields.items():
        yield from _unless_known(("account", "fields", label), path)
    try:
        _ = partner.check_schedule
    except ValueError as error:
        yield ("cadence",), f"'cadence': {error}"


def _in_country(country: str | None) -> Iterator[Found]:
    if country is not None and country not in SUPPORTED_REGIONS:
        yield ("phone_country",), f'there is no country {country!r} (ISO 3166, such as "UA")'


def _unless_known(place: Place, path: str) -> Iterator[Found]:
    if not UTM_TAG.fullmatch(path) and path not in (known := fields_of_a_lead()):
        without_section = next((name for name in known if name.endswith(f".{path}")), path)
        yield place, f"a lead has no field {path!r}{meant(without_section, known)}"


def _meant_or_all(name: str, known: Iterable[str]) -> str:
    return meant(name, known) or f"; there are {', '.join(known)}"


def _in_routes(sources: dict[str, Source], partners: dict[str, Partner]) -> Iterator[Wrong]:
    """A partner gets leads from a source, or from operators only. The source of the deployment's test lead is none."""
    for name, partner in partners.items():
        named_by = [source for source, one in sources.items() if any(name in rule.partners for rule in one.partners)]
        routes = [source for source in named_by if source != self_check.SOURCE]
        if partner.by_hand and routes:
            text = f"source {routes[0]!r} sends it leads, so remove 'by_hand', or the partner from the source"
            yield Wrong("partners", (name, "by_hand"), text)
        elif not partner.by_hand and not routes:
            text = "no source sends it leads: add it to 'partners' of a source in sources.toml, "
            yield Wrong("partners", (name,), f"{text}or set by_hand = true if only operators send it leads")


def _in_next_partners(sources: dict[str, Source], partners: dict[str, Partner]) -> Iterator[Wrong]:
    """A partner that passes leads on needs a rule that does, and a rule that does needs such a partner."""
    passing = {
        (name, outcome)
        for name, partner in partners.items()
        if (intake := partner.intake) is not None
        for outcome, then in (("capped", intake.when_capped), ("closed", intake.when_closed))
        if then == "next"
    }
    passed = set()
    for name, source in sources.items():
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


def _in_notifications(settings: MessageSettings, partners: list[str]) -> Iterator[Wrong]:
    """People get a message about each change of a status, with the partner's own texts."""
    for name in settings.notifications.keys() - set(partners):
        text = f"[notifications.{name}]: there is no partner {name!r} in partners.toml{meant(name, partners)}"
        yield Wrong("messages", ("notifications", name), text)
    for name in partners:
        if name not in settings.notifications:
            text = f"there are no texts about its statuses: add [notifications.{name}.default] to messages.toml, "
            yield Wrong("partners", (name,), f"{text}with texts, or with on = false for no messages")


def sentence(error: Any, place: Place, model: type[BaseModel]) -> str:
    """The text for one of Pydantic's errors about a model at `place` (without the file's table)."""
    kind = error["type"]
    subject = repr(" ".join(part if isinstance(part, str) else f"no. {part + 1}" for part in place[1:]))
    if kind == "extra_forbidden":
        name, known = str(place[-1]), _settings_of(model)
        return f"there is no setting {name!r}" + (" in this section" if name in known else meant(name, known))
    if kind == "missing":
        return f"{place[-1]!r} is missing"
    words = _MUST.get(kind) or validation_message(error)
    if kind == "value_error":
        return f"{subject}: {words}" if len(place) > 1 else words
    return f"{subject if len(place) > 1 else 'it'} {words}"


def meant(name: str, known: Iterable[str]) -> str:
    """A suggestion for an unknown name, if a similar one exists."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _settings_of(model: type[BaseModel]) -> set[str]:
    """The names of all settings in a model and in the models of its parts."""
    schema = model.model_json_schema()
    return {name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", ())}
