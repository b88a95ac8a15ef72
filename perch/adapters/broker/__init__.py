"""What the broker is told: members, rights, certificates, and how an agent comes in."""
