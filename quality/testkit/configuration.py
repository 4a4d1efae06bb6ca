"""A small valid configuration as TOML, for tests that change one line of it."""

from quality.testkit.template import ROOT

CONFIG = ROOT / "config"

TABLES = ("sources", "partners", "messages")

GOOD = (
    """
[web]
adapter = "standard_webhooks"
partners = ["lender"]
fields = { "Ваше ім'я" = "person.full_name" }
defaults = { "loan.term" = 12 }
""",
    """
[lender]
kind = "leadleader"
requires = ["person.phone"]
phone_country = "UA"
timeouts = { connect = "3s", read = "20s" }
retry = { first_delay = "15s", longest_delay = "1h", give_up_after = "24h" }
cadence = [{ until = "1h", every = "2m" }, { until = "1d", every = "15m" }, { every = "1d" }]
statuses = { "Видано" = { meaning = "issued", final = true } }
""",
    (CONFIG / "messages.toml").read_text(encoding="utf-8"),
)
