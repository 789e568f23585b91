"""The sample collection: an invented organisation whose facts no model can know from its training."""
