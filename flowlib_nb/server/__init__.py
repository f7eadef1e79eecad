"""The Jupyter Server extension: what the browser asks of Flowlib."""
