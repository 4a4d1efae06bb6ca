"""`secrets …`: what is put is checked and never shown, rotation, two at once, and what the partners say."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from devstack.sandbox.remote import Remote
from leadbridge.partners.leadleader import rsa_credentials
from leadbridge.runtime import aws
from leadbridge_cli.secrets_store import SecretsStore
from quality.testkit.cli.terminal import CommandResult, run, secret, stored_secret

AT_AWS = ("--region", "eu-central-1")
LEELOO = {"base_url": "https://leeloo.example", "token": "t" * 20, "webhook_token": "w" * 20}
MATCHTRADE = {
    "base_url": "https://broker.example",
    "client_id": "id",
    "client_secret": "hush",
    "username": "us",
    "password": "hush-hush",
    "offer_uuid": "u",
    "partner_id": 0,
}


def secrets(*arguments: str, stdin: str | None = None) -> CommandResult:
    """Run `secrets …` against AWS in memory."""
    return run("secrets", *arguments, *AT_AWS, stdin=stdin)


def put_dead_letter(name: str, value: Any) -> CommandResult:
    return secrets("put", name, "-", "--json", stdin=value if isinstance(value, str) else json.dumps(value))


def test_a_secret_is_put_where_the_stack_has_made_it_empty(aws_mocked: None) -> None:
    secret("leeloo", None)
    assert put_dead_letter("leeloo", LEELOO).json == {"name": "leeloo", "changed": sorted(LEELOO)}
    assert stored_secret("leeloo") == LEELOO
    changed = put_dead_letter("leeloo", {**LEELOO, "token": "n" * 20})
    assert changed.json["changed"] == ["token"]
    assert "n" * 20 not in changed.out + changed.err
    assert put_dead_letter("leeloo", {**LEELOO, "token": "n" * 20}).json["changed"] == []


def test_a_secret_that_the_stack_has_not_made_is_a_3(aws_mocked: None) -> None:
    assert put_dead_letter("leeloo", LEELOO).code == 3


@pytest.mark.parametrize(
    ("name", "value", "about"),
    [
        ("leeloo", "nonsense", "not JSON"),
        ("leeloo", "[" * 60_000, "not JSON"),
        ("leeloo", '"' + "x" * 70_000 + '"', "larger than"),
        ("leeloo", [], "JSON object"),
        ("leeloo", {}, "JSON object"),
        ("alerts", {"telegram": {"token": "123", "chats": ["-1"]}}, "BotFather"),
        ("leeloo", {**LEELOO, "token": 7}, "token"),
        ("leeloo", {**LEELOO, "tokn": "x"}, "tokn"),
        ("leeloo", {**LEELOO, "webhook_token": "short"}, "webhook_token"),
        ("leeloo", {**LEELOO, "base_url": "http://leeloo.example"}, "base_url"),
        ("matchtrade", {**MATCHTRADE, "partner_id": "x"}, "partner_id"),
        ("matchtrade", {"broker-a": MATCHTRADE, "broker-b": {**MATCHTRADE, "partner_id": "x"}}, "partner_id"),
        ("matchtrade", {"broker-a": MATCHTRADE, "broker-b": {**MATCHTRADE, "offer": "x"}}, "matchtrade: broker-b"),
        ("matchtrade", {"broker-a": MATCHTRADE, "broker-b": {}}, "base_url"),
        ("matchtrade", {**MATCHTRADE, "broker-b": MATCHTRADE}, "broker-b"),
        ("sources", {"web": {"secrets": []}}, "web"),
        ("sources", {"web": {"secrets": ["a", "a"]}}, "web"),
        ("sources", {"web": {"secrets": ["a", "b", "c"]}}, "web"),
        ("sources", {"web": {"secrets": [7]}}, "web"),
        ("sources", {"web": ["a"]}, "web"),
        ("sources", {"web": {"secret": "a"}}, "secret"),
        ("operators", {"anna": "short"}, "anna"),
        ("operators", {"anna": "t" * 20, "bohdan": "t" * 20}, "same token"),
        ("index", {"key": "k"}, "The stack creates"),
        ("nonsense", {}, "The stack creates"),
    ],
)
def test_what_the_stack_could_not_use_is_not_put(aws_mocked: None, name: str, value: Any, about: str) -> None:
    secret(name, {"was": "there"})
    said = put_dead_letter(name, value)
    assert (said.code, about in said.failure) == (2, True), said.err
    assert stored_secret(name) == {"was": "there"}


@pytest.mark.parametrize("secret_text", ["v1,whsec_b2xk", "whsec_b2xkb2w", ' "whsec_b2xk" ', "'a-token'", "whsec_b2-k"])
def test_a_sources_secret_with_one_meaning_is_put_as_it_is(aws_mocked: None, secret_text: str) -> None:
    secret("sources", None)
    value = {"tilda": {"secrets": [secret_text]}}
    assert put_dead_letter("sources", value).code == 0
    assert stored_secret("sources") == value


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("whsec_no base64", "whsec_ and base64"),
        ("v1,whsec_", "whsec_ and base64"),
        ("дуже довгий секрет", "printable ASCII"),
        ("two words", "printable ASCII"),
        ('""', "not empty"),
        ("https://example.com/webhooks/tilda?token=abc", "address"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_and_reported_with_a_hint(
    aws_mocked: None, value: str, hint: str
) -> None:
    secret("sources", {"tilda": {"secrets": ["good"]}})
    said = put_dead_letter("sources", {"tilda": {"secrets": [value]}})
    assert (said.code, hint in said.failure, value in said.err) == (2, True, False)
    stored = {"tilda": {"secrets": ["good", value]}, "good": {"secrets": ["x"]}, "revoked": {}}
    aws.secrets_manager().put_secret_value(SecretId="leadbridge/sources", SecretString=json.dumps(stored))
    checked = secrets("check", "sources", "--json")
    assert checked.code == 1
    (found,) = json.loads(checked.out)["sources"]
    assert (found["source"], hint in found["hint"], value in checked.out + checked.err) == ("tilda", True, False)


def test_the_configuration_tells_which_secret_must_be_base64(aws_mocked: None) -> None:
    Path("config").mkdir()
    Path("config/sources.toml").write_text('[web]\nadapter = "standard_webhooks"\n[form]\nadapter = "plain"\n')
    secret("sources", {"web": {"secrets": ["not base64"]}, "form": {"secrets": ["not-base64!"]}})
    checked = secrets("check", "sources", "--json")
    assert [one["source"] for one in json.loads(checked.out)["sources"]] == ["web"]
    assert put_dead_letter("sources", {"web": {"secrets": ["not-base64!"]}}).code == 2


def test_sources_that_can_be_used_are_a_0(aws_mocked: None) -> None:
    secret("sources", {"web": {"secrets": ["whsec_b2xk"]}})
    assert secrets("check", "sources", "--json").json == {"partners": [], "sources": [], "feedback": []}
    assert "usable" in secrets("check", "sources").out.split()


def test_lead_leaders_keys_are_tried_before_they_are_put(partners: Remote) -> None:
    right = stored_secret("leadleader")
    assert put_dead_letter("leadleader", right).code == 0
    for key in ("private_key", "partner_public_key"):
        said = put_dead_letter("leadleader", {**right, key: "-----BEGIN HUSH-----"})
        assert (said.code, "HUSH" in said.err) == (2, False)
    assert put_dead_letter("leadleader", {**right, "password": "x" * 87}).code == 2
    for change in (("\n", "\\n"), ("\n", " ")):  # as environment files and forms change a key
        escaped = {key: text.replace(*change) if key.endswith("_key") else text for key, text in right.items()}
        assert put_dead_letter("leadleader", escaped).code == 0
        assert secrets("check", "leadleader").code == 0
    assert put_dead_letter("leadleader", right).code == 0
    assert stored_secret("leadleader") == right


def test_each_value_is_asked_for_in_a_terminal_and_shown_nowhere(
    aws_mocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret("leeloo", LEELOO)
    monkeypatch.setattr("leadbridge_cli.secret_commands.is_terminal", lambda _: True)
    said = secrets("put", "leeloo", stdin="\nnew-token-0123456789\n\n")
    assert said.code == 0, said.err
    assert stored_secret("leeloo") == {**LEELOO, "token": "new-token-0123456789"}
    assert "new-token" not in said.out + said.err


def test_a_sources_new_secret_is_first_until_the_old_one_is_dropped(aws_mocked: None) -> None:
    secret("sources", {"web": {"secrets": ["whsec_b2xk"]}, "meta": {"secrets": ["old"], "verify_token": "v"}})
    new = secrets("rotate", "sources", "web", "--json").json["secret"]
    assert stored_secret("sources")["web"] == {"secrets": [new, "whsec_b2xk"]}
    assert new.startswith("whsec_")
    assert secrets("rotate", "sources", "web").code == 4, "a third would drop one that the form may still use"
    dropped = secrets("rotate", "sources", "web", "--drop-old", "--json")
    assert dropped.json == {"name": "sources", "whose": "web"}
    assert stored_secret("sources")["web"] == {"secrets": [new]}
    assert secrets("rotate", "sources", "web", "--drop-old").code == 4
    assert secrets("rotate", "sources", "nobody").code == 3
    other = secrets("rotate", "sources", "meta").out
    assert stored_secret("sources")["meta"]["secrets"][0] in other
    assert stored_secret("sources")["meta"]["verify_token"] == "v"


def test_an_operators_token_is_replaced_and_shown_once(aws_mocked: None) -> None:
    secret("operators", None)
    assert secrets("rotate", "operators", "anna", "--yes").code == 3
    first = secrets("rotate", "operators", "anna", "--new", "--json").json["token"]
    assert secrets("rotate", "operators", "anna", "--new").code == 4
    assert secrets("rotate", "operators", "anna").code == 2, "nobody was asked"
    assert secrets("rotate", "operators", "bohdan", "--yes").code == 3
    second = secrets("rotate", "operators", "anna", "--yes", "--json").json["token"]
    assert stored_secret("operators") == {"anna": second}
    assert len({first, second}) == 2


def test_a_new_key_pair_is_of_the_partners_size_and_only_its_public_half_is_shown(partners: Remote) -> None:
    assert secrets("rotate", "leadleader").code == 2
    before = stored_secret("leadleader")
    said = secrets("rotate", "leadleader", "--yes", "--json")
    after = stored_secret("leadleader")
    assert {key for key in after if after[key] != before[key]} == {"private_key"}
    assert "PRIVATE" not in said.out + said.err
    public = load_pem_public_key(said.json["public_key"].encode())
    assert public.key_size == 1024  # type: ignore[union-attr]
    assert len(rsa_credentials.sign(after["private_key"], "x")) == 128
    refused = secrets("check", "leadleader", "--json")
    assert (refused.code, json.loads(refused.out)["partners"][0]["accepted"]) == (1, False)


@pytest.mark.parametrize(
    "arguments",
    [("sources",), ("leadleader", "x"), ("leeloo", "x"), ("operators", "x", "--drop-old"), ("leadleader", "--new")],
)
def test_what_cannot_be_rotated_is_a_2(aws_mocked: None, arguments: tuple[str, ...]) -> None:
    secret("operators", {})
    assert secrets("rotate", *arguments, "--yes").code == 2


def test_the_second_of_two_writers_of_a_secret_gets_a_conflict(
    aws_mocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret("operators", {"anna": "a" * 20})
    replace = SecretsStore.replace

    def late(self: SecretsStore, name: str, seen: Any, value: Any) -> None:
        monkeypatch.setattr(SecretsStore, "replace", replace)
        assert secrets("rotate", "operators", "bohdan", "--new").code == 0
        replace(self, name, seen, value)

    monkeypatch.setattr(SecretsStore, "replace", late)
    said = secrets("rotate", "operators", "olena", "--new")
    assert (said.code, "Another operator has changed" in said.failure) == (4, True)
    assert {*stored_secret("operators")} == {"anna", "bohdan"}


def test_each_partner_accepts_and_nothing_is_created(partners: Remote) -> None:
    said = secrets("check", "--json")
    assert said.code == 0, said.err
    chats = [f"telegram {chat}" for chat in stored_secret("alerts")["telegram"]["chats"]]
    names = ["leadleader", "leeloo", "matchtrade", *chats]
    assert [(one["partner"], one["accepted"]) for one in said.json["partners"]] == [(name, True) for name in names]
    operations = {call["operation"] for call in partners.calls()}
    assert operations == {"authorize", "connections_list", "token", "get_chat"}
    assert "accepted" in secrets("check", "leeloo").out


BROKERS = """
[matchtrade]
kind = "matchtrade"
[broker-b]
kind = "matchtrade"
[lender]
kind = "leadleader"
"""


def configure(text: str = BROKERS, environment: str = "") -> None:
    """Write the partners of the configuration in the present folder."""
    Path("config").mkdir(exist_ok=True)
    Path(f"config/partners{environment}.toml").write_text(text)


def other(**changed: Any) -> dict[str, Any]:
    return {**MATCHTRADE, "client_id": "other", **changed}


def test_the_values_of_one_partner_are_put_beside_those_of_the_others(aws_mocked: None) -> None:
    configure()
    secret("matchtrade", None)
    assert put_dead_letter("broker-b", MATCHTRADE).json == {
        "name": "broker-b",
        "kind": "matchtrade",
        "changed": sorted(MATCHTRADE),
        "partners": ["broker-b"],
    }
    assert put_dead_letter("matchtrade", other()).json["partners"] == ["broker-b", "matchtrade"]
    said = put_dead_letter("broker-b", {**MATCHTRADE, "offers": {"gold": "uuid-of-gold"}})
    assert said.json["changed"] == ["offers"]
    assert "uuid-of-gold" not in said.out + said.err
    assert stored_secret("matchtrade") == {
        "broker-b": {**MATCHTRADE, "offers": {"gold": "uuid-of-gold"}},
        "matchtrade": other(),
    }


def test_the_flat_form_becomes_the_object_of_the_first_partner(aws_mocked: None) -> None:
    configure()
    secret("matchtrade", MATCHTRADE)
    assert put_dead_letter("broker-b", other()).json["partners"] == ["broker-b", "matchtrade"]
    assert stored_secret("matchtrade") == {"matchtrade": MATCHTRADE, "broker-b": other()}


def test_the_flat_form_with_new_values_is_that_of_the_partner_with_the_kinds_name(aws_mocked: None) -> None:
    configure()
    secret("matchtrade", MATCHTRADE)
    assert put_dead_letter("matchtrade", other()).json["changed"] == ["client_id"]
    assert stored_secret("matchtrade") == {"matchtrade": other()}


def test_the_flat_form_of_the_only_partner_is_its_own(aws_mocked: None) -> None:
    configure('[broker-b]\nkind = "matchtrade"\n')
    secret("matchtrade", MATCHTRADE)
    assert put_dead_letter("broker-b", other()).json["changed"] == ["client_id"]
    assert stored_secret("matchtrade") == {"broker-b": other()}


def test_a_flat_secret_without_a_known_partner_is_not_converted(aws_mocked: None) -> None:
    configure('[broker-b]\nkind = "matchtrade"\n[broker-c]\nkind = "matchtrade"\n')
    secret("matchtrade", MATCHTRADE)
    said = put_dead_letter("broker-c", other())
    assert (said.code, "--existing" in said.failure) == (2, True)
    assert stored_secret("matchtrade") == MATCHTRADE
    named = secrets("put", "broker-c", "-", "--existing", "broker-b", stdin=json.dumps(other()))
    assert named.code == 0, named.err
    assert stored_secret("matchtrade") == {"broker-b": MATCHTRADE, "broker-c": other()}


def test_a_partner_is_found_by_its_kind_or_by_its_object(aws_mocked: None) -> None:
    secret("leadleader", None)
    secret("matchtrade", None)
    said = put_dead_letter("broker-b", MATCHTRADE)
    assert (said.code, "--kind" in said.failure) == (2, True)
    with_kind = secrets("put", "broker-b", "-", "--kind", "matchtrade", stdin=json.dumps(MATCHTRADE))
    assert with_kind.code == 0, with_kind.err
    assert put_dead_letter("broker-b", other()).code == 0
    assert stored_secret("matchtrade") == {"broker-b": other()}
    assert secrets("put", "broker-c", "-", "--kind", "bank", stdin="{}").code == 2


def test_a_partner_of_another_environment_does_not_count(aws_mocked: None) -> None:
    configure('[matchtrade]\nkind = "matchtrade"\n')
    configure('[sandbox-broker]\nkind = "matchtrade"\n', ".local")
    secret("leadleader", None)
    secret("matchtrade", MATCHTRADE)
    assert put_dead_letter("sandbox-broker", other()).code == 2
    assert put_dead_letter("matchtrade", other()).code == 0
    assert stored_secret("matchtrade") == other(), "the only partner keeps the flat form"


@pytest.mark.parametrize(
    ("name", "value", "about"),
    [
        ("broker-b", {"broker-b": MATCHTRADE}, "without an object around them"),
        ("broker-b", {**MATCHTRADE, "partner_id": "x"}, "partner_id"),
        ("broker-b", {}, "JSON object"),
        ("lender", MATCHTRADE, "unknown keys"),
    ],
)
def test_wrong_values_of_one_partner_change_nothing(
    aws_mocked: None, name: str, value: dict[str, Any], about: str
) -> None:
    configure()
    for kind in ("matchtrade", "leadleader"):
        secret(kind, {"matchtrade": MATCHTRADE})
    said = put_dead_letter(name, value)
    assert (said.code, about in said.failure) == (2, True), said.err
    assert stored_secret("matchtrade") == stored_secret("leadleader") == {"matchtrade": MATCHTRADE}


def test_broken_values_of_another_partner_do_not_stop_a_put(aws_mocked: None) -> None:
    configure()
    secret("matchtrade", {"matchtrade": {"base_url": 7}})
    assert put_dead_letter("broker-b", MATCHTRADE).code == 0
    assert stored_secret("matchtrade") == {"matchtrade": {"base_url": 7}, "broker-b": MATCHTRADE}


def test_a_kind_with_objects_is_not_replaced_by_the_values_of_one(aws_mocked: None) -> None:
    both = {"broker-a": MATCHTRADE, "broker-b": other()}
    secret("matchtrade", both)
    said = put_dead_letter("matchtrade", MATCHTRADE)
    assert (said.code, "broker-a, broker-b" in said.failure) == (2, True)
    assert stored_secret("matchtrade") == both


def test_the_values_of_a_partner_are_prompted_with_its_own_as_the_default(
    aws_mocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"matchtrade": MATCHTRADE, "broker-b": other(offers={"gold": "u"})}
    secret("leadleader", None)
    secret("matchtrade", both)
    monkeypatch.setattr("leadbridge_cli.secret_commands.is_terminal", lambda _: True)
    said = secrets("put", "broker-b", stdin="\n\n\n\nnew-password\n\n\n")
    assert said.code == 0, said.err
    assert stored_secret("matchtrade") == both | {"broker-b": {**both["broker-b"], "password": "new-password"}}


@pytest.mark.parametrize("first", [None, {"matchtrade": MATCHTRADE}], ids=["first value", "another value"])
def test_two_operators_who_put_two_partners_lose_none(
    aws_mocked: None, monkeypatch: pytest.MonkeyPatch, first: dict[str, Any] | None
) -> None:
    configure(f'{BROKERS}[broker-c]\nkind = "matchtrade"\n')
    secret("matchtrade", first)
    replace = SecretsStore.replace

    def late(self: SecretsStore, name: str, seen: Any, value: Any) -> None:
        monkeypatch.setattr(SecretsStore, "replace", replace)
        assert put_dead_letter("broker-c", other()).code == 0
        replace(self, name, seen, value)

    monkeypatch.setattr(SecretsStore, "replace", late)
    said = put_dead_letter("broker-b", MATCHTRADE)
    assert (said.code, "Another operator has changed" in said.failure) == (4, True)
    assert stored_secret("matchtrade") == {**(first or {}), "broker-c": other()}
    assert put_dead_letter("broker-b", MATCHTRADE).code == 0
    assert stored_secret("matchtrade") == {**(first or {}), "broker-b": MATCHTRADE, "broker-c": other()}


def test_each_partner_of_a_kind_has_an_object_that_is_checked(partners: Remote) -> None:
    configure(f'{BROKERS}[broker-d]\nkind = "matchtrade"\n')
    good = stored_secret("matchtrade")
    keyed = {"matchtrade": good, "broker-b": {**good, "password": "wrong-credentials"}, "broker-c": good}
    assert put_dead_letter("matchtrade", keyed).code == 0
    said = secrets("check", "matchtrade", "--json")
    assert said.code == 1
    told = json.loads(said.out)["partners"]
    assert [(one["partner"], one["kind"], one["accepted"]) for one in told] == [
        ("broker-b", "matchtrade", False),
        ("broker-c", "matchtrade", True),
        ("broker-d", "matchtrade", False),
        ("matchtrade", "matchtrade", True),
    ]
    assert "secrets put broker-d" in told[2]["detail"]
    assert secrets("check", "broker-c").code == 0
    assert secrets("check", "broker-b").code == 1
    assert secrets("check", "broker-d").code == 3
    assert put_dead_letter("broker-b", good).code == 0
    assert secrets("check", "broker-b", "broker-c").code == 0


def test_the_flat_form_is_checked_for_its_owner_alone(partners: Remote) -> None:
    configure()
    told = json.loads(secrets("check", "matchtrade", "--json").out)["partners"]
    assert [(one["partner"], one["accepted"]) for one in told] == [("broker-b", False), ("matchtrade", True)]


def test_the_key_of_one_of_several_partners_is_rotated(partners: Remote) -> None:
    both = {"lender-a": stored_secret("leadleader"), "lender-b": stored_secret("leadleader")}
    assert put_dead_letter("leadleader", both).code == 0
    said = secrets("rotate", "leadleader", "--yes")
    assert (said.code, "lender-a, lender-b" in said.failure) == (2, True)
    assert stored_secret("leadleader") == both
    rotated = secrets("rotate", "lender-b", "--yes", "--json")
    assert rotated.code == 0, rotated.err
    after = stored_secret("leadleader")
    assert after["lender-a"] == both["lender-a"]
    assert {key for key, value in after["lender-b"].items() if value != both["lender-b"][key]} == {"private_key"}
    assert json.loads(secrets("check", "lender-b", "--json").out)["partners"][0]["accepted"] is False
    assert secrets("check", "lender-a").code == 0


@pytest.mark.parametrize(
    ("partner", "key"), [("leadleader", "password"), ("leeloo", "token"), ("matchtrade", "client_secret")]
)
def test_a_partner_that_refuses_is_a_1(partners: Remote, partner: str, key: str) -> None:
    wrong = {**stored_secret(partner), key: "wrong-credentials"}
    aws.secrets_manager().put_secret_value(SecretId=f"leadbridge/{partner}", SecretString=json.dumps(wrong))
    said = secrets("check", "--json")
    assert said.code == 1
    accepted = {one["partner"]: one["accepted"] for one in json.loads(said.out)["partners"]}
    assert [name for name, is_accepted in accepted.items() if not is_accepted] == [partner]
    assert "wrong-credentials" not in said.out + said.err


def test_a_partner_that_does_not_answer_is_a_5_and_one_without_a_secret_a_3(partners: Remote) -> None:
    partners.arm("matchtrade", "token", {"kind": "drop"})
    assert secrets("check", "matchtrade").code == 5
    aws.secrets_manager().delete_secret(SecretId="leadbridge/leeloo", ForceDeleteWithoutRecovery=True)
    assert secrets("check", "leeloo").code == 3
    assert secrets("check", "nobody").code == 2


def test_aws_is_never_reached_without_being_named(aws_mocked: None) -> None:
    for arguments in (("secrets", "check"), ("partners", "leeloo", "catalog", "tags")):
        said = run(*arguments)
        assert (said.code, "--stack" in said.failure) == (2, True)
    assert run("secrets", "check", "--endpoint-url", "http://example.com").code == 2


def test_aws_that_does_not_answer_or_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    nowhere = ("secrets", "put", "leeloo", "-", "--endpoint-url", "http://127.0.0.1:9")
    assert run(*nowhere, "--region", "eu-central-1").code == 1, "no credentials"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert run(*nowhere, "--region", "eu-central-1").code == 5


def test_a_file_that_is_not_there_is_a_3(aws_mocked: None) -> None:
    secret("leeloo", None)
    assert secrets("put", "leeloo", "nowhere.json").code == 3
    Path("here.json").write_text(json.dumps(LEELOO))
    assert secrets("put", "leeloo", "here.json").code == 0
    assert secrets("put", "leeloo").code == 2, "nobody to ask"


def test_the_address_of_a_tracker_is_checked(aws_mocked: None) -> None:
    secret("feedback", None)
    good = {"keitaro": {"url": "https://tracker.example.com/p?subid={click_id}&status={status}"}}
    assert put_dead_letter("feedback", good).json["changed"] == ["keitaro"]
    assert stored_secret("feedback") == good
    assert secrets("check", "feedback").code == 0
    for url, about in (
        ("https://tracker.example.com/p?phone={phone}", "allowed are"),
        ("https://{status}.example.com/", "macros are allowed"),
        ("http://tracker.example.com/", "https"),
        ("https://169.254.169.254/", "IP address"),
    ):
        refused = put_dead_letter("feedback", {"keitaro": {"url": url}})
        assert (refused.code, about in refused.failure) == (2, True), refused.failure
    local = {"sandbox": {"url": "http://127.0.0.1:1/p", "allow_loopback": True}}
    assert put_dead_letter("feedback", local).code == 2
    aws.secrets_manager().put_secret_value(
        SecretId="leadbridge/feedback", SecretString=json.dumps({"keitaro": {"url": "https://10.0.0.1/"}})
    )
    checked = secrets("check", "feedback")
    assert (checked.code, "feedback: keitaro" in checked.out) == (1, True)


def test_the_bot_is_tried_in_each_chat(partners: Remote) -> None:
    first, second = stored_secret("alerts")["telegram"]["chats"]
    partners.post(f"telegram/chats/{second}")
    found = secrets("check", "alerts", "--json")
    assert found.code == 1
    shown = {one["partner"]: one["accepted"] for one in found.json["partners"]}
    assert shown == {f"telegram {first}": True, f"telegram {second}": False}
    assert partners.rows("telegram/messages") == [], "nothing is posted"


def test_a_new_source_gets_its_secret_and_the_others_keep_theirs(aws_mocked: None) -> None:
    web = {"secrets": ["whsec_b2xk"]}
    secret("sources", {"web": web})
    Path("config").mkdir()
    Path("config/sources.toml").write_text('[shop]\nadapter = "standard_webhooks"\n[ads]\nadapter = "meta"\n')
    made = secrets("rotate", "sources", "shop", "--new", "--json").json["secret"]
    assert stored_secret("sources") == {"web": web, "shop": {"secrets": [made]}}
    assert made.startswith("whsec_")
    assert secrets("rotate", "sources", "shop", "--new").code == 4
    assert secrets("rotate", "sources", "ads", "--new").code == 2, "Meta makes that secret"
    assert secrets("rotate", "sources", "a/b", "--new").code == 2
    assert secrets("rotate", "sources", "web", "--new", "--drop-old").code == 2
    put = put_dead_letter("sources.tilda", {"secrets": ["0123456789abcdef"]})
    assert put.json == {"name": "sources.tilda", "change": "added"}
    assert "no source tilda" in put.err
    assert stored_secret("sources").keys() == {"web", "shop", "tilda"}
    assert put_dead_letter("sources.tilda", {"secrets": ["0123456789abcdef"]}).json["change"] == "no changes"
    for name, value in (("sources.tilda", {"secrets": []}), ("sources.tilda", ["x"]), ("sources.", {"secrets": ["x"]})):
        assert put_dead_letter(name, value).code == 2
    assert secrets("put", "sources.tilda").code == 2


def test_the_first_source_of_a_stack_gets_its_secret(aws_mocked: None) -> None:
    secret("sources", None)
    made = secrets("rotate", "sources", "plain", "--new", "--json").json["secret"]
    assert stored_secret("sources") == {"plain": {"secrets": [made]}}


def test_an_aws_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    at = ("--endpoint-url", "http://127.0.0.1:9")
    said = secrets("put", "leeloo", "-", *at, stdin=json.dumps(LEELOO))
    assert (said.code, "http://127.0.0.1:9" in said.failure) == (5, True)
