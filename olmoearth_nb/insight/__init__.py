"""What passes inside an encoder: attention between its tokens."""
