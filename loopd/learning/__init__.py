"""Classifiers, query strategies and the learner that joins them."""
