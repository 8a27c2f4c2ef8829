"""Webhook: each report as a signed HTTP request."""
