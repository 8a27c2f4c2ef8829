"""MQTT: reports, state and commands as JSON on topics of a broker."""
