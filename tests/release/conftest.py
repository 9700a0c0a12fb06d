"""An empty bucket, as the tests of the engines have it."""

from tests.engines.conftest import oss, store_settings

__all__ = ["oss", "store_settings"]
