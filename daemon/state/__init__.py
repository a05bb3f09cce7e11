"""What is remembered between two instructions, and how."""
