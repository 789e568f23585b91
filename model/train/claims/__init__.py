"""What the verifier learns from: judged claims, and claims made by rules."""
