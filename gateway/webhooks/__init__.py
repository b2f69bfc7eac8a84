"""Webhooks: where events go, how they are signed and sent, and what becomes of a delivery."""
