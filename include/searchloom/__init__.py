"""Searchloom: a company's documents and its users' behaviour, woven into search, chat and recommendations."""

__version__ = "0.1.0"
