"""Eclipse Sparkplug B over MQTT: a station as an edge node."""
