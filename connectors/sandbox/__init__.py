"""Both vendors as servers on loopback, with a shop in them and faults on demand."""
