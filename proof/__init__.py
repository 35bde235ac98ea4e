"""Long proofs of what the README claims, each run by a make target of its own."""
