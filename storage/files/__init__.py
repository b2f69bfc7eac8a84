"""Files of organisations, what is read out of them, and how it is found."""
