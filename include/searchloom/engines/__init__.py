"""OpenSearch and Elasticsearch behind one interface: the same documents, analysis and ranking in both."""
