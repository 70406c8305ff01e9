"""What findings, reviews and answers mean; knows neither Qt nor Slicer nor the network."""
