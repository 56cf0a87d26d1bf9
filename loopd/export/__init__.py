"""What a run is worth to others: its labels as a data set, its last model as a stock model."""
