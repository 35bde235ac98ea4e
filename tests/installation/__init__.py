"""Installation as a new user does it: the README's quickstart, the wheel, and the image."""
