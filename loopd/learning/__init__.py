"""Classifiers, query strategies and the learner that joins them."""

import os

# Threads of torch and scikit-learn sleep while they wait for each other instead of spinning. The
# daemon shares its machine with Argilla: on 2 busy cores this makes scoring 3 to 6 times faster.
# It must be set before either library is loaded; a value of the user's own stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
