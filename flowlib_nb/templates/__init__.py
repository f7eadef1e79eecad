"""``{{ }}`` templates: finding them in text, reading their names, compiling them to programs."""
