"""Data subjects: whom calls name, and what is exported, restricted and erased of them."""
