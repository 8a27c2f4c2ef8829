"""The operator's pages of the service: rendered on the server, with every asset in the package."""
