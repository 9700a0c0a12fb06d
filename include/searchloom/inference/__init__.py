"""The service of a model, an embedding model or a reranker: one handler core, and the server around it."""
