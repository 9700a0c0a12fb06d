"""DashScope, the interface of Bailian's models: embeddings by the packaged model, and files."""
