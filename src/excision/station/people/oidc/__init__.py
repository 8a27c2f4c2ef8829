"""Signing in with the OpenID Connect provider of a plant, beside the station's own users."""
