"""Serving: an endpoint that shifts traffic carefully, and the release of approved models to it."""
