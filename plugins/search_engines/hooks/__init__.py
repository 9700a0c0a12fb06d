"""One hook an engine: from the official provider's connection to a ``Loader`` of ``searchloom.engines``."""
