"""Exports of what is kept of one person: written in sealed parts, read back as a bag or as one document."""
