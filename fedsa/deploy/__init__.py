"""A federation for real: certificates and keys, bundles approved by hash, checks before a run."""
