"""The pure middle: profile, features, retrieval and decision, the same for training and serving."""
