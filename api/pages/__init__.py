"""The pages that everybody meets: what stands around them, in which language, and what an address asks of them."""
