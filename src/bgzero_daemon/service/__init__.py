"""The service process: notices, decides, keeps count, publishes. It never touches a pixel."""
