"""What the answerer learns from: documents, questions, noise, and packs that share a context."""
