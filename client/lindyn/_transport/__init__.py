"""Transport of requests and replies, blocking or asynchronous."""
