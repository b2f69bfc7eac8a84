"""The people whom an organisation's calls name: who they are, their own keys, exports of what is kept, erasures."""
