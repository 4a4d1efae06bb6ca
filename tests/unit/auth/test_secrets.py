"""Secrets that become unusable: the last good value stays, a removed one does not, and somebody is called."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from leadbridge.auth.secrets import CACHE_SECONDS, MAX_STALE_SECONDS, MIN_REFRESH_SECONDS, Secrets
from leadbridge.domain.errors.secret_errors import SecretMissing, SecretUnusable
from leadbridge.runtime.logs import logger, metrics
from quality.testkit.aws.aws_answers import aws_error

GOOD = {"web": {"secrets": ["a"]}, "tilda": {"secrets": ["b"]}}


@dataclass
class Manager:
    """Secrets Manager with one text for all secrets, or an error."""

    text: str = json.dumps(GOOD)
    error: Exception | None = None
    reads: int = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        """The present value."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        return {"SecretString": self.text}


@dataclass
class World:
    """A worker's secrets, Secrets Manager, and a clock."""

    manager: Manager = field(default_factory=Manager)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.secrets = Secrets(self.manager, "leadbridge", monotonic=lambda: self.now)  # type: ignore[arg-type]

    def put(self, value: Any) -> None:
        """Put a value, and let a minute pass."""
        self.manager.text = value if isinstance(value, str) else json.dumps(value)
        self.now += CACHE_SECONDS


@pytest.fixture
def world() -> World:
    """A worker that has read the good value."""
    made = World()
    assert made.secrets.get("sources") == GOOD
    return made


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[[], int]:
    """How often `SecretUnusable` was counted since the last call."""

    def number() -> int:
        found = metrics.metric_set.get("SecretUnusable", {}).get("Value", [])
        metrics.clear_metrics()
        return len(found)

    number()
    return number


@pytest.mark.parametrize("text", ["", "{", '{"web": }', "[]", "5", '"web"', "[" * 100_000], ids=lambda text: text[:9])
@pytest.mark.parametrize("name", ["sources", "leadleader", "leeloo", "matchtrade", "operators", "index"])
def test_a_value_that_is_no_json_object_does_not_replace_a_good_one(
    name: str, text: str, counted: Callable[[], int]
) -> None:
    good: dict[str, Any] = GOOD if name == "sources" else {"key": "a"}
    world = World(Manager(json.dumps(good)))
    assert world.secrets.get(name) == good
    counted()
    log = io.StringIO()
    with patch.object(logger.registered_handler, "stream", log):
        world.put(text)
        assert world.secrets.get(name) == good
    assert counted() == 1
    assert (json.loads(log.getvalue())["level"], json.loads(log.getvalue())["secret"]) == ("ERROR", name)
    assert [world.secrets.get(name), world.manager.reads] == [good, 2], "it is read once a minute"
    other = {"key": "b"} if name == "index" else {}
    world.put(other)
    assert [world.secrets.get(name), counted()] == [other, 0]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_worker_that_has_no_good_value_fails(text: str, counted: Callable[[], int]) -> None:
    world = World(Manager(text))
    for _ in range(2):
        with pytest.raises(SecretMissing):
            world.secrets.get("sources")
    assert counted() == 0, "whoever asks counts what it means"


WRONG: list[Any] = [
    "a",
    ["a"],
    5,
    {"secrets": "a"},
    {"secrets": [5]},
    {"secrets": [""]},
    {"secrets": ["a"], "verify_token": 5},
    {"secret": ["a"]},
    {"secret": "whsec_YQ=="},
    {"verify_token": "a"},
    {"secrets": ["whsec_no base64"]},
    {"secrets": ["whsec_"]},
]


@pytest.mark.parametrize("entry", WRONG, ids=str)
def test_a_sources_entry_of_a_wrong_type_does_not_replace_a_good_one(
    world: World, entry: Any, counted: Callable[[], int]
) -> None:
    world.put({"web": entry, "tilda": {"secrets": ["new"]}, "late": entry})
    found = world.secrets.get("sources")
    assert found == {"web": {"secrets": ["a"]}, "tilda": {"secrets": ["new"]}, "late": entry}
    assert counted() == 1
    world.put({"web": {"secrets": ["c"]}})
    assert [world.secrets.get("sources"), counted()] == [{"web": {"secrets": ["c"]}}, 0]


@pytest.mark.parametrize("rest", [{}, {"web": None}, {"web": {}}, {"web": {"secrets": []}}, {"web": {"secrets": None}}])
def test_a_secret_that_is_taken_away_stops_working_within_a_minute(
    world: World, rest: dict[str, Any], counted: Callable[[], int]
) -> None:
    world.put({**rest, "tilda": GOOD["tilda"]})
    assert not (world.secrets.get("sources").get("web") or {}).get("secrets")
    assert world.secrets.get("sources")["tilda"] == GOOD["tilda"]
    assert counted() == 0


def test_operators_and_the_index_keep_their_last_good_entries_too() -> None:
    world = World(Manager('{"anna": "t", "key": "k"}'))
    for name in ("operators", "index"):
        world.secrets.get(name)
    world.put({"anna": 5, "key": ["k"]})
    assert [world.secrets.get(name) for name in ("operators", "index")] == [{"anna": "t", "key": "k"}] * 2
    world.put({"key": "k"})
    assert world.secrets.get("operators") == {"key": "k"}


@pytest.mark.parametrize("value", [{}, {"kye": "b"}, {"key": ""}, {"key": 5}, {"key": None}, {"key": ["b"]}], ids=str)
def test_an_index_without_a_key_is_unusable_as_a_whole(value: dict[str, Any], counted: Callable[[], int]) -> None:
    world = World(Manager('{"key": "a"}'))
    world.secrets.get("index")
    world.put(value)
    assert [world.secrets.get("index"), counted()] == [{"key": "a"}, 1]
    with pytest.raises(SecretUnusable):
        World(Manager(json.dumps(value))).secrets.get("index")
    world.put({"key": "b"})
    assert [world.secrets.get("index"), counted()] == [{"key": "b"}, 0]


def test_one_usable_secret_makes_an_entry_usable(world: World, counted: Callable[[], int]) -> None:
    value = {"web": {"secrets": ["whsec_no base64", "whsec_YQ=="]}}
    world.put(value)
    assert [world.secrets.get("sources"), counted()] == [value, 0]


def test_a_wrong_proof_is_not_judged_by_an_old_value_while_the_present_one_is_unusable(world: World) -> None:
    world.put({"web": 5, "tilda": {"secrets": ["b"]}})
    for _ in range(2):  # the second time from memory
        with pytest.raises(SecretUnusable):
            world.secrets.refresh("sources", entry="web")
    assert world.secrets.refresh("sources", entry="tilda") is None
    world.put("{")
    for _ in range(2):
        with pytest.raises(SecretUnusable):
            world.secrets.refresh("sources", entry="tilda")
    assert world.manager.reads == 3
    assert world.secrets.get("sources") == GOOD
    world.put(GOOD)
    assert world.secrets.refresh("sources", entry="web") == GOOD


def test_while_secrets_manager_does_not_answer_the_value_in_memory_is_used_for_a_time(world: World) -> None:
    world.manager.error = aws_error("InternalServiceError", "GetSecretValue")
    world.now += CACHE_SECONDS
    assert world.secrets.get("sources") == GOOD
    world.manager.error, reads = ConnectTimeoutError(endpoint_url="secretsmanager"), world.manager.reads
    world.now += MIN_REFRESH_SECONDS - 0.1
    assert [world.secrets.get("sources"), world.manager.reads] == [GOOD, reads]
    world.now += 0.2
    assert [world.secrets.get("sources"), world.manager.reads] == [GOOD, reads + 1]
    world.now = MAX_STALE_SECONDS + 1
    with pytest.raises(ConnectTimeoutError):
        world.secrets.get("sources")
    world.manager.error = None
    assert world.secrets.get("sources") == GOOD


UNREADABLE = ["InvalidRequestException", "AccessDeniedException", "ResourceNotFoundException"]


@pytest.mark.parametrize("code", UNREADABLE)
def test_a_secret_that_cannot_be_read_keeps_its_last_good_value_for_a_time(
    world: World, code: str, counted: Callable[[], int]
) -> None:
    world.manager.error = aws_error(code, "GetSecretValue")
    world.now += CACHE_SECONDS
    assert [world.secrets.get("sources"), counted()] == [GOOD, 1]
    world.now += MIN_REFRESH_SECONDS - 0.1
    assert [world.secrets.get("sources"), counted(), world.manager.reads] == [GOOD, 0, 2]
    with pytest.raises(SecretMissing):  # a wrong proof is not judged by the value in memory
        world.secrets.refresh("sources", entry="web")
    world.now = MAX_STALE_SECONDS + 1
    with pytest.raises(SecretMissing):
        world.secrets.get("sources")
    world.manager.error = None
    assert world.secrets.get("sources") == GOOD


@pytest.mark.parametrize("code", ["InvalidRequestException", "ResourceNotFoundException"])
def test_a_worker_without_a_value_of_a_deleted_secret_is_not_ready(code: str) -> None:
    with pytest.raises(SecretMissing):
        World(Manager(error=aws_error(code, "GetSecretValue"))).secrets.get("sources")


def test_a_worker_that_never_had_the_right_to_read_a_secret_raises_the_error_of_aws() -> None:
    with pytest.raises(ClientError):
        World(Manager(error=aws_error("AccessDeniedException", "GetSecretValue"))).secrets.get("sources")


def test_while_one_thread_renews_a_secret_the_others_use_the_last_value(world: World) -> None:
    world.now += CACHE_SECONDS
    reads, answer = world.manager.reads, world.manager.get_secret_value
    others: list[dict[str, Any]] = []

    def meanwhile(SecretId: str) -> dict[str, str]:
        with patch.object(world.manager, "get_secret_value", answer), ThreadPoolExecutor(1) as pool:
            others.append(pool.submit(world.secrets.get, "sources").result(timeout=10))
        return answer(SecretId)

    with patch.object(world.manager, "get_secret_value", meanwhile):
        assert world.secrets.get("sources") == GOOD
    assert (world.manager.reads, others) == (reads + 1, [GOOD])
