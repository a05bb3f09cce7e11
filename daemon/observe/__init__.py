"""What a person or a machine can know about the process."""
