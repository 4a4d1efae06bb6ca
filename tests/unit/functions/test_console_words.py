"""The console's texts: complete in three languages, a text for each code of the API, no word of another language."""

import re
from typing import get_args, get_type_hints

import pytest

from leadbridge.api.requests import Body
from leadbridge.api.routes.deliveries import OpenRequest, ResolveRequest
from leadbridge.api.routes.messages import MessageRequest
from leadbridge.api.routes.partners import CapView, PartnerView, PauseRequest
from leadbridge.api.routes.sources import RuleResultView, UnavailableView
from leadbridge.api.schemas import DeliveryView
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.accounts.scan import ScanKind
from leadbridge.domain.admission import WaitReason
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import field_paths
from leadbridge.domain.message import MessageState
from leadbridge.domain.routing.fallback import NextOn
from leadbridge.domain.statistics.times import LONGER, TIME_LIMITS, Stage
from leadbridge.domain.statuses.outcomes import DeliveryOutcome
from quality.testkit.browser.words import NAMES, STATIC, latin_words, words
from quality.testkit.template import ROOT, resources

SCRIPTS = [path for path in sorted(STATIC.glob("*.js")) if not path.name.startswith(("words.", "uplot"))]
LANGUAGES = ("en", "uk", "ru")


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_keys_placeholders_and_plural_forms(language: str) -> None:
    spoken, english = words(language), words("en")
    assert spoken.keys() == english.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", spoken[key])) == set(re.findall(r"\{(\w+)\}", text)), key
    forms = {"one", "other"} if language == "en" else {"one", "few", "many", "other"}
    for key, text in spoken.items():
        if text.startswith("{"):
            assert set(re.findall(r"(\w+): \"", text)) == forms, key


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_no_text_has_words_of_another_language(language: str) -> None:
    """Neither English words, nor words with letters of both alphabets, nor letters of the other Cyrillic alphabet."""
    foreign = {"uk": "ыэёъЫЭЁЪ", "ru": "іїєґІЇЄҐ"}[language]
    for key, text in words(language).items():
        shown = " ".join(re.findall(r'"([^"]*)"', text))
        assert latin_words(re.sub(r"\{\w+\}", "", shown)) <= NAMES, key
        assert re.findall(r"[а-яіїєґ][a-z]|[a-z][а-яіїєґ]", shown, re.IGNORECASE) == [], key
        assert not set(shown) & set(foreign), key


def test_every_key_that_a_script_uses_exists() -> None:
    used: set[str] = set()
    for script in SCRIPTS:
        if not script.name.startswith("words."):
            used |= set(re.findall(r'\b(?:t|phrase)\("([\w.-]+)"', script.read_text(encoding="utf-8")))
    assert len(used) > 80
    assert used - words("en").keys() == set()


def test_every_state_field_step_and_error_is_translated() -> None:
    keys = words("en").keys()
    assert {f"{kind}.{state}" for kind in ("state", "explanation", "advice") for state in State} <= keys
    assert {f"state.{status}" for status in LeadStatus} <= keys
    assert {"explanation.incomplete", "advice.incomplete"} <= keys
    assert {f"waiting.{reason}" for reason in WaitReason} <= keys
    assert {f"partner.{state}" for state in get_args(get_type_hints(PartnerView)["state"])} <= keys
    assert {f"cap.{window}" for window in get_args(get_type_hints(CapView)["window"])} <= keys
    assert {f"partners.within.{limit}" for limit in (*TIME_LIMITS[Stage.SUBMITTED], LONGER)} <= keys
    assert {f"outcome.{outcome}" for outcome in DeliveryOutcome} <= keys
    assert {f"next_on.{outcome}" for outcome in NextOn} <= keys
    assert {f"dry_run.{result}" for result in get_args(get_type_hints(RuleResultView)["result"])} <= keys
    paths_of_fields = [path.partition(".") for path in field_paths()]
    assert {f"section.{section}" for section, _, _ in paths_of_fields} <= keys
    assert {f"field.{name}" for _, _, name in paths_of_fields} <= keys
    assert {f"message.{state}" for state in MessageState} <= keys
    assert {f"field_error.{code}" for code in FieldCode} == {key for key in keys if key.startswith("field_error.")}
    assert {f"error.{code}" for code in ErrorCode} == {key for key in keys if key.startswith("error.")}
    layer = ROOT / "layers" / "leadbridge" / "leadbridge"
    folders = ("domain", "services", "storage", "api")
    paths = (*(path for name in folders for path in (layer / name).rglob("*.py")), *ROOT.glob("functions/*/app.py"))
    code = "".join(path.read_text(encoding="utf-8") for path in paths)
    entries = {state.value for state in State} - {"closed"} | {f"message_{state}" for state in MessageState}
    entries -= {"message_pending", "message_sending"}
    entries |= set(re.findall(r'Entry(?:\.by_operator)?\((?:[\w.]+|utc_now\(\)), "(\w+)"', code))
    entries |= set(re.findall(r'\bnow,\s+"(\w+)"(?!:)', code)) | set(re.findall(r'_note\(letter, "(\w+)"', code))
    entries |= set(re.findall(r'note\(letter, "(\w+)"', code))
    assert {"received", "revealed", "repeat_waiting", "retry_requested", "resolved"} <= entries
    assert {f"timeline.{entry}" for entry in entries} - keys == set()
    steps = set(re.findall(r'"?step"?[=:] ?"(\w+)"', code)) | {RECORD_ANSWER}
    assert {"submit", "send", "fetch", "publish", "schedule", "read", "record_answer"} <= steps
    assert {f"step.{step}" for step in steps} <= keys


def test_every_code_of_postbacks_fetches_checks_queues_and_requests_is_translated() -> None:
    keys = words("en").keys()
    assert {f"postback.{state}" for state in PostbackState} <= keys
    ends = {PostbackState.ACCEPTED, PostbackState.FAILED, PostbackState.SKIPPED}
    assert {f"timeline.postback_{state}" for state in ends} <= keys
    assert {f"lead.fetch.{state}" for state in FetchState if state is not FetchState.FETCHED} <= keys
    [attentions, _] = get_args(get_type_hints(DeliveryView)["attention"])
    assert {f"{kind}.{code}" for kind in ("explanation", "advice") for code in get_args(attentions)} <= keys
    assert {f"sync.scan.{kind}" for kind in ScanKind} <= keys
    assert {f"dry_run.then.{then}" for then in get_args(get_type_hints(UnavailableView)["then"])} <= keys
    queues = resources("AWS::Serverless::Function")["ManageLeads"]["Properties"]["Environment"]["Variables"]
    names = set(re.findall(r'"([\w-]+)":', str(queues["DEAD_LETTER_QUEUES"])))
    assert {"messages", "checks", "events"} <= names
    own = {name for name in names if not name.startswith("submit-")}  # those are named by their partner
    assert {f"queue.{name}{what}" for name in own for what in ("", ".what")} <= keys
    entered: dict[str, type[Body]] = {
        "reason": PauseRequest,
        "text": MessageRequest,
        "partner": OpenRequest,
        "deal_id": ResolveRequest,
        "account_uuid": ResolveRequest,
    }
    for name, request in entered.items():
        assert name in request.model_fields
        assert {f"request.{name}", f"field.{name}", f"delivery.{name}"} & keys, name


def test_every_problem_of_the_operators_api_is_translated() -> None:
    api = ROOT / "layers" / "leadbridge" / "leadbridge" / "api"
    not_for_operators = {"webhooks.py", "browsers.py"}
    code = "".join(path.read_text(encoding="utf-8") for path in api.rglob("*.py") if path.name not in not_for_operators)
    problems = {(slug, int(status)) for status, slug in re.findall(r'Problem\(\s*(\d+),\s*"([a-z-]+)"', code)}
    assert {("conflict", 409), ("unknown-lead", 404), ("busy", 503)} <= problems
    by_status = set(map(int, re.findall(r"case (\d+): return t", (STATIC / "api.js").read_text(encoding="utf-8"))))
    assert {400, 401, 422, 429} <= by_status
    unknown = {slug for slug, status in problems if status < 500 and status not in by_status}
    assert {f"problem.{slug}" for slug in unknown - {"unknown-route"}} <= words("en").keys()
