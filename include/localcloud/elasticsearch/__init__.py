"""The control plane of Alibaba Cloud Elasticsearch, in front of the engine that runs on this machine."""
