"""The demo: one command that shows tables rotating under load, by a real worker and a real beat."""
