"""What every process may import: errors, names, paths and plain values."""
