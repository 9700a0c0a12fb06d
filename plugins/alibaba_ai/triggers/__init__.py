"""Triggers: they poll, copy logs, and report one event; workers submit."""
