"""What is wrong with this installation, measured, and how it is repaired. Changes nothing itself."""
