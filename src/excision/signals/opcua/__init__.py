"""OPC UA: the station as a server after the companion specification for machine vision, or as a client."""
