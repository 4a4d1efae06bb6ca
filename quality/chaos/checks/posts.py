"""Every post becomes a lead that is delivered, or an incomplete one, or is refused by a source that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from leadbridge.domain.fetch import FetchState
from quality.chaos.reconciliation import LeadRecord, Route, Snapshot, check


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
    for lead_id, record in snapshot.leads.items():
        route = snapshot.routes.get(record.lead.source)
        if record.lead.erased_at is not None or not _is_known(record) or route is None:
            continue
        lacking = frozenset(
            path for one in snapshot.partners.values() for path in one.requires if record.lead.value(path) is None
        )
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
        readable = problems - posted.unusable if posted is not None and posted.values else frozenset()
        if readable:
            yield lead_id, f"has problems with {', '.join(sorted(readable))}, which can be read"


@check
def typed_values_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A value that can be read is the lead's, any other is in its answers, as it was typed. Both until a correction."""
    for lead_id, posted in snapshot.people_by_lead.items():
        record = snapshot.leads.get(lead_id)
        if record is None or record.lead.erased_at is not None or not _is_known(record):
            continue
        corrected = record.corrected
        for path, value in posted.values.items():
            found = record.lead.value(path)
            if path not in corrected and path not in posted.unusable and not _is_same(path, found, value):
                yield lead_id, f"{path} is {found}, and was typed as {posted.typed.get(path)}"
            if path not in corrected and path in posted.unusable and found is not None:
                yield lead_id, f"{path} is {found}, and was typed as {posted.typed.get(path)}"
            text = posted.typed.get(path)
            if path in posted.unusable and text is not None and text not in record.lead.answers.values():
                yield lead_id, f"{path} was typed as {text}, which is not among its answers"


@check
def incomplete_leads_are_listed(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The list of incomplete leads has every lead with problems, and no other, as have the marks in the table."""
    if snapshot.listed_incomplete is None:
        return
    marked = {
        lead_id
        for lead_id, record in snapshot.leads.items()
        if any(values["sk"] == "INCOMPLETE" for values in record.other_items)
    }
    incomplete = {lead_id for lead_id, record in snapshot.leads.items() if record.is_incomplete}
    for lead_id in sorted(incomplete - snapshot.listed_incomplete):
        yield lead_id, "is incomplete, and not in the list"
    for lead_id in sorted(marked ^ incomplete):
        yield lead_id, f"is {'' if lead_id in marked else 'not '}marked as incomplete, wrongly"
    for lead_id in sorted(snapshot.listed_incomplete - incomplete):
        yield lead_id, "is in the list of incomplete leads, and not incomplete"


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


def _is_same(path: str, found: object, value: str) -> bool:
    if path == "loan.amount":
        return found is not None and Decimal(str(found)) == Decimal(value)
    return str(found) == value
