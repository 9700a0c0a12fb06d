"""Tests of the query module, on real engines, a real object store and a real embedding service."""
