"""Alibaba Cloud on loopback: the wire protocol of the services that Searchloom uses, served by one local process."""
