"""What a worker gives up before it looks at a photo. Linux; elsewhere it says what is missing."""
