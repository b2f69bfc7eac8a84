"""What the harness keeps."""
