"""Every post becomes a lead that is delivered or incomplete, or is refused; corrections replace what it says."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from devstack.partners import partner_profiles
from quality.chaos.checks.registry import check, check_leads
from quality.chaos.records import AMOUNT, NAME, TERM, LeadRecord, Snapshot


@check
def posts_are_accepted_or_refused(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each post is accepted, or refused by a source that refuses what no partner can take. No other lead is stored."""
    accepted = {posted.post_id for posted in snapshot.posted}
    refused = {one.post_id: one for one in snapshot.refused}
    for post_id in sorted(snapshot.posts - accepted - refused.keys()):
        yield post_id, "was neither accepted nor refused"
    for post_id, one in sorted(refused.items()):
        if post_id in accepted:
            yield post_id, "was accepted and refused"
        if one.source not in snapshot.sources or not snapshot.sources[one.source].refuses_invalid:
            yield post_id, f"was refused, and {one.source} keeps incomplete leads"
        elif takers := _takers(snapshot, one.source, one.unusable):
            yield post_id, f"was refused, and {', '.join(takers)} can take it"
    for lead_id in sorted(snapshot.leads.keys() - {posted.lead_id for posted in snapshot.posted}):
        yield lead_id, "is in the table, and no post was accepted"


@check_leads
def leads_are_delivered_or_incomplete(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """A lead that a partner can take has deliveries and no problems, any other has problems and no delivery."""
    source = record.lead.source
    if record.is_erased or not record.is_fetched or source not in snapshot.sources:
        return
    required = {path for partner in snapshot.partners.values() for path in partner.requires}
    lacking = {path for path in required if record.lead.value(path) is None}
    takers = _takers(snapshot, source, lacking, record.added)
    deliveries, problems = record.deliveries, {one.field for one in record.lead.problems}
    if takers and (problems or not deliveries):
        wrong = f"has problems with {', '.join(sorted(problems))}" if problems else "has no delivery"
        yield f"{wrong}, and {', '.join(takers)} can take it"
    if not takers and (deliveries or not problems):
        yield f"lacks {', '.join(sorted(lacking))}; its deliveries: {', '.join(deliveries) or 'none'}"
    if not takers and snapshot.sources[source].refuses_invalid and record.fetch is None:
        yield f"is incomplete, and {source} refuses incomplete leads"
    for partner in deliveries.keys() - set(takers):
        yield f"is for {partner}, which cannot take it"
    posted = record.posted
    if posted is not None and posted.values and (readable := problems - posted.unusable):
        yield f"has problems with {', '.join(sorted(readable))}, which can be read"


@check_leads
def typed_values_are_kept(_: Snapshot, record: LeadRecord) -> Iterator[str]:
    """A value that can be read is the lead's, any other is in its answers, as it was typed. Both until a correction."""
    posted = record.posted
    if record.is_erased or not record.is_fetched or posted is None:
        return
    for path, value in posted.values.items():
        found, text, is_usable = record.lead.value(path), posted.typed.get(path), path not in posted.unusable
        expected = {AMOUNT: Decimal, TERM: int}.get(path, str)(value) if is_usable else None
        if path not in record.corrected and found != expected:
            yield f"{path} is {found}, and was typed as {text}"
        if not is_usable and text is not None and text not in record.lead.answers.values():
            yield f"{path} was typed as {text}, which is not among its answers"


@check_leads
def incomplete_leads_are_listed(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """The list of incomplete leads has every lead with problems, and no other, as have the marks in the table."""
    is_marked = any(values["sk"] == "INCOMPLETE" for values in record.items)
    for what, is_so in (("listed", record.lead_id in snapshot.listed_incomplete), ("marked", is_marked)):
        if is_so is not record.has_problems:
            yield f"is {'' if is_so else 'not '}{what} as incomplete, wrongly"


@check
def partners_get_corrected_values(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A call that began after a correction was accepted does not have an older value."""
    for call in snapshot.calls:
        leads = snapshot.leads_of(partner_profiles()[call["partner"]].person_of(call))
        for path, found in _sent(call).items() if len(leads) == 1 and not call.get("refused") else ():
            if (newer := _replacing(leads[0], path, found, call["number"])) is not None:
                yield leads[0].lead_id, f"{call['partner']} got {path} {found}, which was corrected to {newer}"


@check_leads
def corrections_are_kept(_: Snapshot, record: LeadRecord) -> Iterator[str]:
    """An accepted correction is in the lead, unless a later one replaced it, and in the timeline, without values."""
    accepted = {path for one in record.corrections if one.is_accepted for path in one.values}
    for path in sorted(accepted) if not record.is_erased else ():
        found = _normal(path, record.lead.value(path))
        if (newer := _replacing(record, path, found)) is not None:
            yield f"{path} is {found}, and was corrected to {newer}"
    values = {value for one in record.corrections for value in one.values.values() if len(value) > 2}
    for entry in record.entries("corrected"):
        text = f"{entry.detail} {dict(entry.data)}"
        if any(value in text for value in values):
            yield f"its timeline has a corrected value: {text}"


def _takers(snapshot: Snapshot, source: str, lacking: Collection[str], added: Collection[str] = ()) -> list[str]:
    """The partners of a source, and those that operators chose, that can take a lead without these fields."""
    names = [name for rule in snapshot.sources[source].partners for name in rule.partners]
    known = {name: one for name, one in snapshot.partners.items() if not set(one.requires).intersection(lacking)}
    return [name for name in (*names, *sorted(added)) if name in known]


def _replacing(record: LeadRecord, path: str, found: str, call: int | None = None) -> str | None:
    """The accepted value that certainly replaced this one before a call; None if this one may be right."""
    made = [one for one in record.corrections if path in one.values]
    accepted = [one for one in made if one.is_accepted and (call is None or one.calls < call)]
    if not accepted:
        return None
    worked = [one for one in made if not 400 <= one.status < 500]
    sources = [one for one in worked if _normal(path, one.values[path]) == found]
    if not sources and (record.posted is None or _normal(path, record.posted.values.get(path)) != found):
        return _normal(path, accepted[-1].values[path])  # no one ever set it to this
    for one in accepted:  # one that began after each possible source had ended
        if all(source.ended is not None and source.ended < one.began for source in sources):
            return _normal(path, one.values[path])
    return None


def _sent(call: Mapping[str, Any]) -> dict[str, str]:
    """The values of a create call that corrections change."""
    account, client, sent = call.get("account"), call.get("clientInfo"), dict[str, object]()
    if isinstance(account, dict):
        sent = {NAME: f"{account.get('surname')} {account.get('name')}"}
    elif isinstance(client, dict):
        sent = {NAME: client.get("PIB"), AMOUNT: call.get("summa"), TERM: call.get("termin")}
    return {path: _normal(path, value) for path, value in sent.items()}


def _normal(path: str, value: object) -> str:
    """A value in one notation: an amount without trailing zeros, of a name the part that differs."""
    text = "" if value is None else str(value)
    if path == AMOUNT and text.replace(".", "", 1).isdecimal():
        return f"{Decimal(text).normalize():f}"
    return next((word for word in text.split() if path == NAME and word.startswith("Олена")), text)
