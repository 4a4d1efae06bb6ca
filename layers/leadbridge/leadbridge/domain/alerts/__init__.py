"""Alerts to operators: changes of alarms, and which of them share a message."""
