"""What a sale can become in the books: a module for each, which finds, writes, verifies and takes back its kind of document."""
