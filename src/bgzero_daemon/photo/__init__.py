"""Pictures: arrays in, arrays or bytes out. No files, no processes, no network."""
