"""Sending what a station stores to a hub, whatever happens to the link, the station or the hub."""
