"""The gateway: a long-lived process that holds the teachers, and the client that asks it."""
