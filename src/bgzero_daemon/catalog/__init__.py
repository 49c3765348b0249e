"""Models as data: cards, and the shelf that finds cards and weights."""
