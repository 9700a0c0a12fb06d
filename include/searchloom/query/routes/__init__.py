"""The routes of the API, one file a subject; each has ``add(app)``."""
