"""The export of leads as CSV: its columns, its formats, and that no cell is a formula."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from leadbridge.api.lead_csv import LeadCsv, Separator
from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.lead import Lead, Loan, field_paths
from leadbridge.settings import settings
from leadbridge.storage.leads import Journey, LeadRepository
from quality.testkit.fakes.errors import some_error
from quality.testkit.operator_api import Get
from quality.testkit.people import NOW, lead

HOSTILE = [
    '=HYPERLINK("http://x")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "|cmd",
    "＝1",
    '"; DROP',
    "two\nlines",
]


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def exported(one: Lead, lead_csv: LeadCsv | None = None) -> dict[str, str]:
    lead_csv = lead_csv or LeadCsv()
    delimiter = ";" if lead_csv.separator is Separator.SEMICOLON else ","
    [row] = rows(lead_csv.header() + lead_csv.lines(Journey(one, {}, ())), delimiter)
    return row


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_or_breaks_its_row(text: str) -> None:
    row = exported(lead().model_copy(update={"utm": {"utm_source": text}}))
    cell = row["utm_source"]
    assert cell.isprintable()
    assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "|", "%", "＝"}
    assert cell.removeprefix("'").split() == text.split(), "nothing but control characters is lost"


def test_every_field_tag_and_id_has_a_column() -> None:
    tags = {"utm_source": "fb", "utm_adset": "7", "gad": "1", "utm_x": "2"}
    row = exported(
        lead().model_copy(update={"utm": tags, "ids": {"sub1": "a", "gclid": "secret"}, "campaign": "7"}),
        LeadCsv(counted=("utm.utm_adset", "ids.sub1")),
    )
    assert {*field_paths(), *(f"ids.{name}" for name in IDS)} <= row.keys()
    assert (row["utm_source"], row["utm_adset"], row["utm_other"]) == ("fb", "7", "gad=1&utm_x=2")
    assert (row["ids.sub1"], row["ids.gclid"], row["campaign"]) == ("a", "•••", "7")
    assert (row["person.phone"], row["person.email"]) == ("'+38050•••01", "o•••@example.com")
    assert exported(lead(), LeadCsv(masked=False))["person.email"] == "olena@example.com"


def test_a_line_for_each_delivery_with_its_outcome() -> None:
    one = lead().model_copy(update={"partners": ("leadleader", "matchtrade")})
    deliveries = {name: steps.new_delivery(one.lead_id, name, "web", NOW) for name in one.partners}
    begun = steps.start_attempt(deliveries["leadleader"], NOW, timedelta(minutes=1)).after
    deliveries["leadleader"] = steps.reject(begun, NOW, some_error("no")).after
    lead_csv = LeadCsv()
    found = rows(lead_csv.header() + lead_csv.lines(Journey(one, deliveries, ())))
    assert [(row["partner"], row["state"]) for row in found] == [("leadleader", "rejected"), ("matchtrade", "received")]
    assert {row["lead_id"] for row in found} == {one.lead_id}
    assert "outcome" in found[0]


def test_excel_gets_local_times_decimal_commas_and_unchanged_numbers() -> None:
    one = lead(tax_number="0123456789").model_copy(
        update={"ids": {"campaign_id": "120210000000000017"}, "loan": Loan(amount=Decimal("15000.50"), term=12)}
    )
    row = exported(one, LeadCsv(separator=Separator.SEMICOLON, zone="Europe/Kyiv", masked=False))
    assert row["received_at (Europe/Kyiv)"] == "2026-03-01 14:00:00"
    assert row["loan.amount"] == "15000,50"
    assert (row["ids.campaign_id"], row["person.tax_number"]) == ("'120210000000000017", "'0123456789")
    plain = exported(one, LeadCsv(masked=False))
    assert (plain["received_at"], plain["loan.amount"]) == ("2026-03-01T12:00:00.000Z", "15000.50")
    assert plain["ids.campaign_id"] == "120210000000000017"


def test_pages_together_are_the_whole_list(get: Get, store: LeadRepository) -> None:
    for number in range(5):
        store.accept(lead(number, received_at=NOW + timedelta(minutes=number)), phone_hash=None)
    text, cursor, counts = "", "", []
    for _ in range(3):
        status, page = get("/exports/leads", limit="2", cursor=cursor)
        assert status == 200
        text, cursor = text + page["csv"], page["cursor"] or ""
        counts.append(page["leads"])
    assert (counts, cursor) == ([2, 2, 1], "")
    assert [row["lead_id"] for row in rows(text)] == [lead(number).lead_id for number in reversed(range(5))]
    assert {source.count_by for source in settings().sources.values()} == {"utm.utm_campaign"}


@pytest.mark.parametrize(
    "query", [{"separator": "|"}, {"zone": "Mars/Base"}, {"zone": "../etc/passwd"}, {"excel": "1"}]
)
def test_an_unknown_format_is_refused(get: Get, query: dict[str, str]) -> None:
    assert get("/exports/leads", **query)[0] == 400


def test_the_filters_are_those_of_the_list(get: Get, store: LeadRepository) -> None:
    store.accept(lead(1), phone_hash=None)
    assert get("/exports/leads", status="failed")[1]["leads"] == 0
    assert get("/exports/leads", status="received", masked="true")[1]["leads"] == 1
