"""The event log: what was shown, and what people did with it; kept safely before it is acknowledged."""
