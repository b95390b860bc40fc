"""Files of weights: the official layout, encoders as safetensors, the small models that come with the package."""
