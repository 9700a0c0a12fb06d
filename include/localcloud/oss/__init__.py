"""Object Storage Service: buckets and objects on disk, behind the REST protocol that the vendors' SDKs speak."""
