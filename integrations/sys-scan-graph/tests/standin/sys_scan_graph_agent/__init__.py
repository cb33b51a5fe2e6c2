"""Stands in for the agent in these tests: its provider protocol, written again from its interface, and the behaviour that a
provider meets. It analyses nothing."""
