"""Every post becomes a lead that is delivered or incomplete, or is refused; corrections replace what it says."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from devstack.partners import partner_profiles
from leadbridge.domain.fetch import FetchState
from quality.chaos.reconciliation import Route, Snapshot, check
from quality.chaos.records import AMOUNT, NAME, TERM, LeadRecord


@check
def posts_are_accepted_or_refused(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each post is accepted, or refused by a source that refuses what no partner can take. No other lead is stored."""
    accepted = {posted.post_id for posted in snapshot.posted}
    refused = {one.post_id: one for one in snapshot.refused}
    for post_id in sorted(snapshot.posts - accepted - refused.keys()):
        yield post_id, "was neither accepted nor refused"
    for post_id, one in sorted(refused.items()):
        route = snapshot.routes.get(one.source)
        if post_id in accepted:
            yield post_id, "was accepted and refused"
        if route is None or not route.refuses:
            yield post_id, f"was refused, and {one.source} keeps incomplete leads"
        elif takers := _takers(snapshot, route, one.unusable):
            yield post_id, f"was refused, and {', '.join(takers)} can take it"
    for lead_id in sorted(snapshot.leads.keys() - snapshot.people_by_lead.keys()):
        yield lead_id, "is in the table, and no post was accepted"


@check
def leads_are_delivered_or_incomplete(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A lead that a partner can take has deliveries and no problems, any other has problems and no delivery.

    Problems name what the person left empty or typed unreadably. Every partner gets the fields that it requires.
    """
    required = {path for partner in snapshot.partners.values() for path in partner.requires}
    for lead_id, record in snapshot.kept_leads():
        route = snapshot.routes.get(record.lead.source)
        if not _is_known(record) or route is None:
            continue
        lacking = frozenset(path for path in required if record.lead.value(path) is None)
        takers = _takers(snapshot, route, lacking, snapshot.orders[lead_id].added)
        deliveries, problems = record.deliveries, {one.field for one in record.lead.problems}
        if takers and (problems or not deliveries):
            wrong = f"has problems with {', '.join(sorted(problems))}" if problems else "has no delivery"
            yield lead_id, f"{wrong}, and {', '.join(takers)} can take it"
        if not takers and (deliveries or not problems):
            yield lead_id, f"lacks {', '.join(sorted(lacking))}; its deliveries: {', '.join(deliveries) or 'none'}"
        if not takers and route.refuses and record.fetch is None:
            yield lead_id, f"is incomplete, and {record.lead.source} refuses incomplete leads"
        for partner in deliveries.keys() - set(takers):
            yield lead_id, f"is for {partner}, which cannot take it"
        posted = snapshot.people_by_lead.get(lead_id)
        if posted is not None and posted.values and (readable := problems - posted.unusable):
            yield lead_id, f"has problems with {', '.join(sorted(readable))}, which can be read"


@check
def typed_values_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A value that can be read is the lead's, any other is in its answers, as it was typed. Both until a correction."""
    for lead_id, record in snapshot.kept_leads():
        posted = snapshot.people_by_lead.get(lead_id)
        if posted is None or not _is_known(record):
            continue
        for path, value in posted.values.items():
            found, text, is_usable = record.lead.value(path), posted.typed.get(path), path not in posted.unusable
            is_right = (
                _normal(path, found, is_exact=True) == _normal(path, value, is_exact=True)
                if is_usable
                else found is None
            )
            if path not in record.corrected and not is_right:
                yield lead_id, f"{path} is {found}, and was typed as {text}"
            if not is_usable and text is not None and text not in record.lead.answers.values():
                yield lead_id, f"{path} was typed as {text}, which is not among its answers"


@check
def incomplete_leads_are_listed(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The list of incomplete leads has every lead with problems, and no other, as have the marks in the table."""
    if snapshot.listed_incomplete is None:
        return
    incomplete = {lead_id for lead_id, record in snapshot.leads.items() if record.is_incomplete}
    marked = {
        lead_id
        for lead_id, record in snapshot.leads.items()
        if any(values["sk"] == "INCOMPLETE" for values in record.other_items)
    }
    for lead_id in sorted(incomplete ^ snapshot.listed_incomplete):
        yield lead_id, f"is {'' if lead_id in incomplete else 'not '}incomplete, and the list says otherwise"
    for lead_id in sorted(marked ^ incomplete):
        yield lead_id, f"is {'' if lead_id in marked else 'not '}marked as incomplete, wrongly"


@check
def partners_get_corrected_values(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A call that began after a correction was accepted does not have an older value."""
    for call in snapshot.calls:
        profile = partner_profiles().get(call["partner"])
        if profile is None or call["operation"] != "create" or call.get("refused"):
            continue
        lead_ids = snapshot.leads_of(**profile.person_of(call))
        for path, found in _sent(call).items() if len(lead_ids) == 1 else ():
            newer = _replacing(snapshot, lead_ids[0], path, found, call["number"])
            if newer is not None:
                yield lead_ids[0], f"{call['partner']} got {path} {found}, which was corrected to {newer}"


@check
def corrections_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """An accepted correction is in the lead, unless a later one replaced it, and in the timeline, without values."""
    for lead_id, record in snapshot.leads.items():
        made = [one for one in snapshot.corrections if one.lead_id == lead_id]
        accepted = {path for one in made if one.is_accepted for path in one.values}
        for path in sorted(accepted) if not record.is_erased else ():
            found = _normal(path, record.lead.value(path))
            newer = _replacing(snapshot, lead_id, path, found, None)
            if newer is not None:
                yield lead_id, f"{path} is {found}, and was corrected to {newer}"
        values = {value for one in made for value in one.values.values() if len(value) > 2}
        for entry in record.entries("corrected"):
            text = f"{entry.detail} {dict(entry.data)}"
            if any(value in text for value in values):
                yield lead_id, f"its timeline has a corrected value: {text}"


def _takers(
    snapshot: Snapshot, route: Route, lacking: frozenset[str], added: frozenset[str] = frozenset()
) -> list[str]:
    """The partners of a route, and those that operators chose, that can take a lead without these fields."""
    return [
        name
        for order in (*route.orders, sorted(added))
        for name in order
        if name in snapshot.partners and not lacking.intersection(snapshot.partners[name].requires)
    ]


def _is_known(record: LeadRecord) -> bool:
    """Whether the values of a lead are known: it was not to be fetched, or it was."""
    return record.fetch is None or record.fetch.state is FetchState.FETCHED


def _replacing(snapshot: Snapshot, lead_id: str, path: str, found: str, call: int | None) -> str | None:
    """The accepted value that certainly replaced this one before a call; None if this one may be right."""
    made = [one for one in snapshot.corrections if one.lead_id == lead_id and path in one.values]
    accepted = [one for one in made if one.is_accepted and (call is None or one.calls < call)]
    if not accepted:
        return None
    sources = [one for one in made if _normal(path, one.values[path]) == found and one.may_have_worked]
    posted = snapshot.people_by_lead.get(lead_id)
    is_first = posted is not None and _normal(path, posted.values.get(path)) == found
    if not sources and not is_first:
        return _normal(path, accepted[-1].values[path])  # no one ever set it to this
    later = (one for one in accepted if all(source is not one and source.precedes(one) for source in sources))
    newer = next(later, None)
    return None if newer is None else _normal(path, newer.values[path])


def _sent(call: Mapping[str, Any]) -> dict[str, str]:
    """The values of a create call that corrections change."""
    account, client = call.get("account"), call.get("clientInfo")
    if isinstance(account, dict):
        return {NAME: _normal(NAME, f"{account.get('surname')} {account.get('name')}")}
    if isinstance(client, dict):
        sent = {NAME: client.get("PIB"), AMOUNT: call.get("summa"), TERM: call.get("termin")}
        return {path: _normal(path, value) for path, value in sent.items()}
    return {}


def _normal(path: str, value: object, *, is_exact: bool = False) -> str:
    """A value in one notation: an amount without trailing zeros, of a name the part that differs."""
    text = "" if value is None else str(value)
    if path == AMOUNT and text:
        try:
            return f"{Decimal(text).normalize():f}"
        except ArithmeticError:
            return text
    if path == NAME and not is_exact:
        return next((word for word in text.split() if word.startswith("Олена")), text)
    return text
