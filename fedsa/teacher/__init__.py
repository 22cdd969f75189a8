"""The institution's wing: a private model that answers questions and never leaves."""
