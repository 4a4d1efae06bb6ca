"""What a lead contributes to the statistics, as pure facts."""

from dataclasses import replace
from itertools import permutations

from leadbridge.domain.statistics.contribution import DeliveryFacts, LeadChange, LeadFacts

DAY = "2026-03-01"
LEAD = LeadFacts(2, DAY, "web", "spring", ())
CHANGES = (
    LeadChange(DAY, "web", LEAD, expires_at=100),
    LeadChange(DAY, "web", replace(LEAD, version=3, problems=("person.phone required",)), expires_at=90),
    LeadChange("2026-03-04", "web", None, {"a": DeliveryFacts(1, "received", "")}, {"a": "2026-03-04"}, 300),
    LeadChange("2026-03-04", "web", None, {"a": DeliveryFacts(2, "submitted", "")}, {"a": "2026-03-04"}, 200),
    LeadChange("2026-03-02", "web", None, {"b": DeliveryFacts(1, "rejected", "")}, {"b": "2026-03-02"}, 150),
)


def test_changes_merge_to_the_newest_facts_in_any_order() -> None:
    for order in permutations(CHANGES):
        merged = order[0]
        for change in order[1:]:
            merged = merged.merged(change)
        assert merged == LeadChange(
            DAY,
            "web",
            replace(LEAD, version=3, problems=("person.phone required",)),
            {"a": DeliveryFacts(2, "submitted", ""), "b": DeliveryFacts(1, "rejected", "")},
            {"a": "2026-03-04", "b": "2026-03-02"},
            300,
        )
