"""Face landmarks in JAX/Flax: models, losses, targets, training, evaluation and prediction."""
