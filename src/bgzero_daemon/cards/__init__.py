"""Photos of a card or folder brought into an inbox: found, copied, read back, named, remembered."""
