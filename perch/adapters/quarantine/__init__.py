"""Messages that could not be taken, kept for whoever looks into them."""
