"""Making a service of this program, and taking it away again: systemd's user units, launchd's agents."""
