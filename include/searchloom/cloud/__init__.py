"""Thin clients, one file a service: typed calls, our errors, no policy."""
