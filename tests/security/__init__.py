"""Promise I6: nothing leaves, and a decoder that was taken over gets nowhere."""
