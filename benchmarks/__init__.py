"""How fast the platform is, measured beside a floor in the same run and printed as a ratio."""
