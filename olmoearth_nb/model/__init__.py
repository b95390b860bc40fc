"""The encoder, the predictor and what they are made of; equal to the published models."""
