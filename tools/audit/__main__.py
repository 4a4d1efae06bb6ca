"""`make audit`: checkov for the templates, bandit for the code, pip-audit for the packages that are shipped to Lambda.

If the vulnerability database is not reachable, it passes, because a developer may be offline. With --strict
(`make audit STRICT=1`, every night) it fails.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

TOOLS = Path(sys.executable).parent
TEMPLATES = ["template.yaml", "infra/github-role.yaml"]
CODE = ["functions", "layers/leadbridge", "cli", "infra"]
SHIPPED = Path(".local/audit/shipped.txt")
# The beginning of pip-audit's last line if it cannot connect: requests' errors, its own advice, or an index without
# the packages.
UNREACHED = re.compile(
    r"requests\.exceptions\.(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError):"
    r"|ERROR:pip_audit\._cli:(Tip: your network may be blocking this service\.|\S+: Dependency not found on PyPI)"
)

type Finished = subprocess.CompletedProcess[str]


def main() -> int:
    """Run all three, with the exceptions in tools/audit/checkov.yaml and pyproject.toml. Returns 1 if any fails."""
    parser = argparse.ArgumentParser(prog="audit", description="Look for known weaknesses.")
    parser.add_argument("uv", help="the uv that exports what is shipped")
    parser.add_argument("--strict", action="store_true", help="fail if the vulnerability database is not reachable")
    options = parser.parse_args()
    exported = [options.uv, "export", "--frozen", "--no-dev", "--no-emit-workspace", "--quiet"]
    SHIPPED.write_text(subprocess.run(exported, capture_output=True, text=True, check=True).stdout, encoding="utf-8")
    passed = [
        run("checkov", "-f", *TEMPLATES, "--config-file", "tools/audit/checkov.yaml").returncode == 0,
        run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE).returncode == 0,
        # Its own --strict makes a package fail that it cannot check.
        judged(
            run("pip-audit", "--requirement", str(SHIPPED), "--disable-pip", "--strict", quiet=True), options.strict
        ),
    ]
    return 0 if all(passed) else 1


def judged(result: Finished, is_strict: bool) -> bool:
    """Whether pip-audit found nothing, or could not connect and may fail to."""
    last = (result.stderr.strip().splitlines() or ["no output"])[-1]
    if result.returncode == 0:
        print(f"pip-audit: {last}")
        return True
    if UNREACHED.match(last):
        print(f"pip-audit: {'FAILED' if is_strict else 'SKIPPED'}, the vulnerability database is not reachable: {last}")
        return not is_strict
    print(f"pip-audit: FAILED\n{result.stdout}{result.stderr}")
    return False


def run(tool: str, *arguments: str, quiet: bool = False) -> Finished:
    print(f"{tool}:", flush=True)
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=quiet, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
