"""Lock proof: how long the application waits for each operation, beside each lock holder."""
