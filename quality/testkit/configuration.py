"""The shipped configuration, compiled once a process, and a small valid one for tests that change a line of it."""

import atexit
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from quality.testkit.template import ROOT
from tools.config import ship

CONFIG = ROOT / "config"

TABLES = ("sources", "partners", "messages", "alerts")

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
cadence = [{ until = "1h", every = "2m" }, { until = "1d", every = "15m" }, { every = "20%", at_most = "30d" }]
statuses = { "Видано" = { outcome = "issued", final = true } }
""",
    (CONFIG / "messages.toml").read_text(encoding="utf-8").partition("[notifications.")[0]
    + """
[notifications.lender.default.text]
uk = "Статус вашої заявки: {status}."
""",
    (CONFIG / "alerts.toml").read_text(encoding="utf-8"),
)


@cache
def compiled_configuration() -> Path:
    """The folder with the shipped configuration, compiled as the layer's build does. Nothing may change it."""
    folder = Path(mkdtemp(prefix="leadbridge-config-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    ship(CONFIG, folder)
    return folder
