"""The embedding service: one handler core, and the server around it (design, section 2)."""
