"""The AI search platform of OpenSearch: its embedding and reranking calls, by the models of this machine."""
