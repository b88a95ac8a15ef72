"""The broker: connections, what is said over them, and how a client comes back."""
