"""DashScope, the interface of Bailian's models: embeddings and reranking by the packaged model, and files."""
