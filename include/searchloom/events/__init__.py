"""Events from elsewhere into the event log."""
