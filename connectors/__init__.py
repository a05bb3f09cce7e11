"""What Kassabrug can talk to: the port, the shop's vocabulary, one folder for each vendor."""
