"""What a new user does: the README's quickstart, the wheel alone, and the image's recipe."""
