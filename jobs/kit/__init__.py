"""What edges and models share; knows nothing of jobs or reviews."""
