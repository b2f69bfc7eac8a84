"""Apps of organisations, and the jobs that run them."""
