"""Shows a run as text or as static HTML: pure functions of its snapshot."""
