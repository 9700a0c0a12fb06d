"""Tests of the engines, on both real ones."""
