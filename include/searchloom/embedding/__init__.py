"""Text to vectors: the model and its card, the encoder, and the vectors in OSS, one per distinct text."""
