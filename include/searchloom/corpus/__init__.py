"""From the customer's files in OSS to chunks: parse, cut, manifest, quarantine, and the way in (uploads, judgments)."""
