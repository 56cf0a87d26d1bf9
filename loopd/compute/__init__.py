"""Where the learner's work is done: in this process, or piece by piece on a cluster."""
