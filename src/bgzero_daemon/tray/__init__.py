"""The icon in the panel: a client of the daemon's control socket, and of nothing else of it."""
