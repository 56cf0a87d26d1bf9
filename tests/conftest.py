"""What every test shares: no network for the Hugging Face libraries, no keys of the caller."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.pop("ARGILLA_API_KEY", None)
