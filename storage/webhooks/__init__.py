"""Webhooks as kept: endpoints and their secrets, deliveries and every try, replays."""
