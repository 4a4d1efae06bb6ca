"""The checks. Importing this package registers them, in the order of docs/reliability.md."""

from quality.chaos.checks import leads, messages, partners, people, posts
from quality.chaos.checks.registry import CHECKS, Violation, violations

__all__ = ["CHECKS", "Violation", "leads", "messages", "partners", "people", "posts", "violations"]
