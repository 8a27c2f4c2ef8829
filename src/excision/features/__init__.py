"""Feature networks: frozen networks, trained on other images, whose features are compared beside the edges.

A new kind of network is one file with a `describe` and a `build`, and one entry in `choice.KINDS`. Nothing
is ever downloaded: weights come from an installed package or from a file that the user has.
"""
