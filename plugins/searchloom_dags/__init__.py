"""What the DAG files share: the assets that link them, and how their tasks retry and fail."""
