"""The demo: a small real HTTP API on loopback, a throwaway vault, and a flow that uses both."""
