"""Bailian's own RAG: files by lease or from OSS, indexes over them, retrieval, and apps that answer from them."""
