"""The commands of the machine that the platform runs on: serve, stop, engines, quickstart."""
