"""Where else the rounds of a run are written: CSV, TensorBoard, MLflow."""
