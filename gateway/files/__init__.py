"""Files that callers upload, and what is read out of them."""
