"""The view model: where a run stands, in figures and sentences, for page, report and terminal."""
