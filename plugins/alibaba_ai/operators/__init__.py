"""Operators: the worker submits and defers, a trigger waits, and the remote work is found again after any crash."""
