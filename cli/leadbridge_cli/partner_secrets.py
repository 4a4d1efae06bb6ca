"""The credentials of one partner: its object in the secret of its kind, or the whole secret in the flat form."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.secrets_store import SecretsStore, StoredSecret

CONFIG = Path("config/partners.toml")


@dataclass(frozen=True)
class PartnerEntry:
    """The credentials of one partner in the secret of its kind.

    `seen` is that secret. `configured` are the partners of the kind that the configuration of this folder has. `owner`
    is the partner that the values of a flat secret belong to; None if that is not known.
    """

    kind: str
    partner: str
    seen: StoredSecret
    configured: tuple[str, ...] = ()
    existing: str | None = None

    @property
    def is_keyed(self) -> bool:
        """Return whether the secret has an object for each partner."""
        from leadbridge.auth.partner_secret import is_keyed

        return is_keyed(self.seen.value or {})

    @property
    def owner(self) -> str | None:
        """Return the partner that a flat secret belongs to.

        It is the only partner of the kind, or the one with the kind's name, which is the first one as shipped.
        """
        if self.existing is not None:
            return self.existing
        if len(self.configured) == 1:
            return self.configured[0]
        return self.kind if self.kind in self.configured else None

    @property
    def value(self) -> dict[str, Any] | None:
        """Return the partner's credentials; None if the secret has none for it."""
        stored = self.seen.value or {}
        if self.is_keyed:
            return stored.get(self.partner)
        return (stored or None) if self.owner == self.partner else None

    def secret_with(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the secret of the kind with this object, and with the objects of all other partners.

        Raises Failure if a flat secret has to be converted and its partner is not known.
        """
        stored = self.seen.value or {}
        if stored and not self.is_keyed:
            if self.owner is None:
                raise usage_error(
                    f"{self.kind} has the values of one partner, and it is not known of which. "
                    "Name it with --existing PARTNER."
                )
            stored = {self.owner: stored}
        return {**stored, self.partner: value}


def configured_partners(cloud: Cloud) -> dict[str, str]:
    """Return the kind of each partner in the configuration of this folder; empty without a readable one.

    The files of the stack's environment count, too, if the stack is known.
    """
    tables = [_read(CONFIG)]
    if tables[0] and (environment := cloud.environment):
        tables.append(_read(CONFIG.with_name(f"partners.{environment}.toml")))
    sections = [(name, section) for table in tables for name, section in table.items() if isinstance(section, dict)]
    return {name: section["kind"] for name, section in sections if isinstance(section.get("kind"), str)}


def find_entry(cloud: Cloud, name: str, kind: str | None = None, existing: str | None = None) -> PartnerEntry | None:
    """Return the entry of a partner; None if nothing has a partner of this name.

    Its kind is the given one, else that of the configuration, else that of a secret which has an object of this name.
    Raises Failure.
    """
    from leadbridge.partners.registry import kind_names

    configured = configured_partners(cloud)
    kind = kind or configured.get(name)
    if kind is not None and kind not in kind_names():
        raise usage_error(f"There is no partner kind {kind}. Known: {', '.join(kind_names())}.")
    store = SecretsStore(cloud)
    for each in kind_names() if kind is None else (kind,):
        try:
            seen = store.read(each)
        except Failure as failure:
            if kind is not None or failure.code is not Code.NOT_FOUND:
                raise
            continue
        entry = PartnerEntry(each, name, seen, _of_kind(configured, each), existing)
        if kind is not None or (entry.is_keyed and entry.value is not None):
            return entry
    return None


def entries_of(cloud: Cloud, kind: str) -> list[PartnerEntry]:
    """Return the entries of all partners of a kind: those of its secret and those of the configuration.

    Raises Failure if the secret has no value.
    """
    seen = SecretsStore(cloud).read(kind)
    if seen.value is None:
        raise no_value(cloud, kind)
    configured = _of_kind(configured_partners(cloud), kind)
    first = PartnerEntry(kind, kind, seen, configured)
    if first.is_keyed:
        names = dict.fromkeys((*seen.value, *configured))
    else:  # without a known owner the values are checked under the name of the kind
        names = dict.fromkeys((first.owner or kind, *configured))
    existing = None if first.is_keyed else next(iter(names))
    return [PartnerEntry(kind, name, seen, configured, existing) for name in sorted(names)]


def no_value(cloud: Cloud, name: str) -> Failure:
    """Return the failure for a secret, or a partner's object, that has no value."""
    return not_found(f"{cloud.prefix} has no credentials of {name} yet. Run `leadbridge secrets put {name}`.")


def _of_kind(configured: Mapping[str, str], kind: str) -> tuple[str, ...]:
    return tuple(name for name, of in configured.items() if of == kind)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
