"""Tests of the local cloud, judged by the vendors' own clients."""
