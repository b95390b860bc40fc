"""What embeddings are worth: kNN and probes, tasks, baselines, confidence intervals."""
