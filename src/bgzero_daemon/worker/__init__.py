"""The worker process: from a source descriptor to a finished staged descriptor."""
