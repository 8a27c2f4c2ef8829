"""Signals between a line and a station: triggers and commands in; verdicts, faults and a heartbeat out."""
