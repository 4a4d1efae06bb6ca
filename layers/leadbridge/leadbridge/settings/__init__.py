"""The product's configuration: which sources there are, and how each partner is dealt with.

People write it as TOML in `config/`. The layer's build checks it and ships the validated settings of each environment
as one file, so that a wrong line fails the build. A cold start reads the file and builds no validators, which would
take longer than all of its other work with the configuration.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path

from pydantic import model_validator

from leadbridge.runtime.environment import StageEnvironment
from leadbridge.settings.alerts import AlertSettings
from leadbridge.settings.messages import MessageSettings
from leadbridge.settings.partners import Partner
from leadbridge.settings.sections import RetryPolicy, Section, Timeouts
from leadbridge.settings.sources import Source, TrackerSettings

__all__ = ["Partner", "RetryPolicy", "Settings", "Source", "Timeouts", "read_shipped", "settings"]

_SHIPPED = Path(__file__).parent.parent / "config"


class Settings(Section):
    """All of the configuration."""

    sources: dict[str, Source]
    partners: dict[str, Partner]
    messages: MessageSettings
    alerts: AlertSettings

    @property
    def feedback(self) -> dict[str, dict[str, TrackerSettings]]:
        """What trackers learn, by source and tracker; without the sources that have none."""
        return {name: source.feedback for name, source in self.sources.items() if source.feedback}

    @model_validator(mode="after")
    def _sources_name_known_partners(self) -> Settings:
        for name, source in self.sources.items():
            for partner in (partner for route in source.partners for partner in route.partners):
                if partner not in self.partners:
                    raise ValueError(f"source {name}: there is no partner {partner!r} in partners.toml")
        return self


@lru_cache
def settings() -> Settings:
    """The configuration of this environment (`LEADBRIDGE_ENVIRONMENT`), as the layer ships it."""
    environment = StageEnvironment.from_env().leadbridge_environment
    return read_shipped(_SHIPPED / f"{environment}.pickle")


def read_shipped(file: Path) -> Settings:
    """Return the settings that the build has validated and written. The file is a part of the layer, like its code."""
    shipped: Settings = pickle.loads(file.read_bytes())  # noqa: S301 - the build made it, and nothing else can
    return shipped
