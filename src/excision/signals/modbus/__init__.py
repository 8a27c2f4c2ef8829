"""Modbus TCP: a PLC asks the station, or the station asks a PLC, by a four-phase handshake."""
