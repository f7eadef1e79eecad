"""Typed data without I/O: secrets, credentials, requests, hosts, flows and runs."""
