"""The flow language: YAML text to a checked definition, with a position for everything."""
