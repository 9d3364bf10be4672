"""From requests to encoded answers: the only room that knows both the messages and the arrays. Runs in a worker."""
