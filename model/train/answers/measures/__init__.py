"""What each mode of a trained answerer is worth: shared questions, prompts and metrics, and the modes."""
