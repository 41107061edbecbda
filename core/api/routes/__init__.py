"""The routes, a file a subject: what callers send, where it goes, and which command the queue replays."""
