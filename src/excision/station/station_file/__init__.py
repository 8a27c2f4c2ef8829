"""The file that describes a station: strict tables, each read by the room that it belongs to."""
