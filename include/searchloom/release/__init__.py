"""A release: the versions that serve together."""
