"""Tasks of two classes from one or five labels each, after Hoang et al. (ICML 2020, section 4)."""
