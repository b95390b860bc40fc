"""What passes inside an encoder: attention between its tokens, and what bands do together."""
